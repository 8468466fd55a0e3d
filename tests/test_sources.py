"""The table of sources against what the datasets' own documentation names: hosts, files, sizes, splits."""

import json
from urllib.parse import urlsplit

import pytest

from siamrcr.datasets import hub, sources, verification
from siamrcr.datasets.catalogue import FACTS, NINE

# Of each dataset: hosts, where the files lie there, and what its documentation calls the files.
HUB = "huggingface.co"
PLACES = {
    "got10k": {("got-10k.aitestunion.com", "/downloads")},
    "trackingnet": {(HUB, "/datasets/SilvioGiancola/TrackingNet/tree/main")},
    "lasot": {(HUB, "/datasets/l-lt/LaSOT/resolve/main")},
    "otb2015": {("cvlab.hanyang.ac.kr", f"/tracker_benchmark/{folder}") for folder in ("seq", "seq_new")},
    "vot2018": {("data.votchallenge.net", "/vot2018/main")},
    "vot2019": {("data.votchallenge.net", "/vot2019/main")},
    "coco": {
        (host, f"{base}/{folder}")
        for host, base in (("images.cocodataset.org", ""), ("s3.amazonaws.com", "/images.cocodataset.org"))
        for folder in ("zips", "annotations")
    },
    "vid": {
        ("image-net.org", "/challenges/LSVRC/2015"),
        ("bvisionweb1.cs.unc.edu", "/ilsvrc2015"),
        (HUB, "/datasets/guanxiongsun/imagenetvid/resolve/main"),
    },
    "det": {
        ("image-net.org", "/challenges/LSVRC/2015"),
        ("image-net.org", "/image/ILSVRC2015"),
        (HUB, "/datasets/guanxiongsun/imagenetvid/resolve/main"),
    },
    "resnet50": {(HUB, "/timm/resnet50.tv_in1k/resolve/main")},
}
LASOT = """
    airplane basketball bear bicycle bird boat book bottle bus car cat cattle chameleon coin crab crocodile cup deer dog
    drone electricfan elephant flag fox frog gametarget gecko giraffe goldfish gorilla guitar hand hat helmet hippo
    horse kangaroo kite leopard licenseplate lion lizard microphone monkey motorcycle mouse person pig pool rabbit
    racing robot rubicCube sepia shark sheep skateboard spider squirrel surfboard swing tank tiger train truck turtle
    umbrella volleyball yoyo zebra
"""
FILES = {
    "got10k": {*(f"GOT-10k_Train_split_{n:02d}.zip" for n in range(1, 20)), "val_data.zip", "test_data.zip"},
    "trackingnet": {"TEST", *(f"TRAIN_{n}" for n in range(12))},
    "lasot": {f"{name}.zip" for name in LASOT.split()},
    "vot2018": {"description.json"},
    "vot2019": {"description.json"},
    "coco": {"train2017.zip", "annotations_trainval2017.zip"},
    "vid": {"ILSVRC2015_VID.tar.gz"},
    "det": {"ILSVRC2015_DET.tar.gz"},
    "resnet50": {"model.safetensors"},
}
PIECES = {
    "vid": ["ILSVRC2015_VID.tar.gz.aa", "ILSVRC2015_VID.tar.gz.ab"],
    "det": ["ILSVRC2017_DET.tar.gz.aa", "ILSVRC2017_DET.tar.gz.ab"],
}
# Bytes, as TrackingNet's own package has them.
TRACKINGNET_TEST = 35_019_950_843


def addresses(source: sources.Source) -> list[str]:
    return [url for address in source.addresses for url in address.split("+")]


@pytest.mark.parametrize("dataset", FACTS)
def test_every_address_is_one_of_the_documentation(dataset):
    places = set()
    for source in sources.read(dataset):
        for url in addresses(source):
            parts = urlsplit(url)
            assert parts.scheme in ("http", "https"), url
            assert parts.port is None, url
            assert (parts.query, parts.fragment, parts.username) == ("", "", None), url
            assert url.isascii(), url
            assert " " not in url
            name = parts.path.rpartition("/")[2]
            page = source.access == "registration" and url == source.url
            places.add((parts.hostname, parts.path.rstrip("/") if page else parts.path.rpartition("/")[0]))
            if not page:
                assert name == source.file or name in PIECES.get(dataset, []), url
    assert places == PLACES[dataset]


@pytest.mark.parametrize("dataset", FILES)
def test_every_file_is_one_of_the_documentation(dataset):
    files = [source.file for source in sources.read(dataset)]
    assert set(files) == FILES[dataset]
    assert len(files) == len(FILES[dataset])


def test_otb_is_98_archives_of_100_sequences():
    files = [source.file.removesuffix(".zip") for source in sources.read("otb2015")]
    assert len(set(files)) == len(files) == 98
    assert {"Jogging", "Skating2", "Human4"} <= set(files)
    for source in sources.read("otb2015"):
        assert source.mirror.endswith(f"/seq_new/{source.file}")


@pytest.mark.parametrize(("dataset", "pieces"), PIECES.items())
def test_the_copy_of_ilsvrc_is_in_pieces(dataset, pieces):
    (source,) = sources.read(dataset)
    copy = source.mirror.split()[-1].split("+")
    assert [url.rpartition("/")[2] for url in copy] == pieces
    assert all(hub.is_file(url) for url in copy)


def test_sizes_and_checksums_are_as_published():
    rows = {(source.dataset, source.file): source for name in FACTS for source in sources.read(name)}
    assert rows["trackingnet", "TEST"].bytes == TRACKINGNET_TEST
    # As torchvision's users and many others check them.
    assert rows["coco", "train2017.zip"].checksum == "cced6f7f71b7629ddf16f17bbcfab6b2"
    assert rows["coco", "annotations_trainval2017.zip"].checksum == "f4bbac642086de4f52a3fdda2de5fa2c"
    unpublished = [source for source in rows.values() if source.dataset in ("got10k", "otb2015", "vid", "det")]
    assert not any(source.checksum or source.bytes for source in unpublished)


def test_nine_datasets_and_a_backbone():
    assert NINE == ("got10k", "trackingnet", "lasot", "otb2015", "vot2018", "vot2019", "coco", "vid", "det")
    assert {split.dataset for split in verification.SPLITS} == set(FACTS)


def test_the_hubs_addresses_are_told_apart():
    folder = "https://huggingface.co/datasets/SilvioGiancola/TrackingNet/tree/main/TRAIN_11"
    file = "https://huggingface.co/timm/resnet50.tv_in1k/resolve/main/model.safetensors"
    assert (hub.is_folder(folder), hub.is_file(folder)) == (True, False)
    assert (hub.is_folder(file), hub.is_file(file)) == (False, True)
    assert hub.file_address(folder, "TRAIN_11/zips/-a b.zip") == (
        "https://huggingface.co/datasets/SilvioGiancola/TrackingNet/resolve/main/TRAIN_11/zips/-a%20b.zip"
    )
    assert not hub.is_file("http://images.cocodataset.org/zips/train2017.zip")


def test_the_tables_rows_are_whole():
    every = [source for name in FACTS for source in sources.read(name)]
    assert {source.access for source in every} == {"open", "registration", "token"}
    assert all(source.layout and source.file and source.part for source in every)
    assert {len(source.checksum) for source in every} <= {0, 32, 64}
    chunks = [source.bytes or 0 for source in every if source.dataset == "trackingnet" and source.part == "train"]
    assert 1.0e12 < sum(chunks) < 1.2e12
    parts = {(split.dataset, split.part) for split in verification.SPLITS}
    assert all(source.part == "all" or (source.dataset, source.part) in parts for source in every)


def test_the_tables_otb_folders_are_the_benchmarks(real_data):
    sequences = json.loads((real_data / "official" / "otb2015" / "sequences.json").read_text())
    folders = {entry["folder"] for entry in sequences.values()}
    assert {source.layout for source in sources.read("otb2015")} == {f"{folder}/img" for folder in folders}


def test_trackingnets_sizes_are_its_packages(real_data):
    sizes = json.loads((real_data / "official" / "trackingnet" / "split_sizes.json").read_text())
    text = json.dumps(sizes)
    assert all(str(source.bytes) in text for source in sources.read("trackingnet"))
