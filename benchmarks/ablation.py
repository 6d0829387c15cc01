"""Print what each tower and feature group gives the fusion, on the validation cut of this run.

    python benchmarks/ablation.py [method]

Reads data/prepared and models/ of the current folder; run it after `dvc repro fusion_training`.
"""

import argparse

from components.shop_ranking import application as shop
from components.shop_ranking.fusion_training.ablation import ablate
from components.shop_ranking.params import load_params

TOWERS = dict(shop.TOWER_FOLDERS)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method", nargs="?", default="stacking", help="of fusion")
    method = parser.parse_args().method
    rows = ablate(load_params(), shop.PREPARED, TOWERS, shop.BASELINES, method)
    print(f"{method}, validation, NDCG@10\n| left out | all | novel | seconds |\n|---|---|---|---|")
    for row in rows:
        cells = f"{row.mean('all'):.4f} | {row.mean('novel'):.4f} | {row.seconds:.1f}"
        print(f"| {row.left_out} | {cells} |")
