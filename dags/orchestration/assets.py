"""What DAGs wait for and announce; an asset is known to every DAG by its name."""

from airflow.sdk import Asset

PREPARED_DATA = Asset("prepared_data")
CHALLENGER = Asset("challenger")  # a version was registered and compared
FEEDBACK = Asset("feedback")  # a partition of labelled events was written
DRIFT = Asset("drift")  # a week is unlike its reference by more than noise
