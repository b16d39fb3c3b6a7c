"""Evaluations over photos that are rendered here and extracted as a user's are."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.albums import Album
from support.data import real_data
from support.shared import made_once

from facebatch.collection import Collection
from facebatch.config import RunSettings
from facebatch.demo.album import draw_light, draw_view
from facebatch.demo.cast import PEOPLE, STRANGERS
from facebatch.demo.render import render_face
from facebatch.demo.scene import render_landscape
from facebatch.errors import CollectionError, InputError, SettingsMismatch, UsageError
from facebatch.evaluate.photos import Photos
from facebatch.jobs.evaluate import (
    BY_FOLDER,
    evaluate_clusters,
    evaluate_detection,
    evaluate_identification,
    evaluate_pairs,
)
from facebatch.jobs.evaluated_photos import Source
from facebatch.stages import cluster_people

PHOTOS_EACH = 3
FACELESS, BROKEN, OUTSIDE, ABSENT = "p0/view.jpg", "p1/broken.jpg", "outside.jpg", "p9/none.jpg"

IN_THIS_PROCESS = RunSettings(workers=1, beam_options=("--direct_running_mode=in_memory",))


@dataclass(frozen=True)
class People:
    """A folder of photos, one folder a person, and the collection that keeps their faces.

    Args:
        folder: Six people with three photos each and two strangers with one each; a photo without
            a face, one that can't be read, and one in no person's folder.
        collection: URL of the collection.
        faces: The paths of the photos with a face.
    """

    folder: Path
    collection: str
    faces: list[str]

    def source(self, **flags: object) -> Source:
        return Source(str(self.folder), self.collection, flags, None, IN_THIS_PROCESS)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    place = made_once("evaluated", make_people, tmp_path_factory)
    return people_at(place)


def people_at(place: Path) -> People:
    folder = place / "people"
    faces = [path.relative_to(folder).as_posix() for path in folder.rglob("*.png")]
    return People(folder, str(place / "faces"), sorted([*faces, OUTSIDE]))


def make_people(place: Path) -> None:
    folder = place / "people"
    generator = np.random.default_rng(5)
    portraits = [
        (person, f"p{number}/{photo}.png")
        for number, person in enumerate(PEOPLE[:6])
        for photo in range(PHOTOS_EACH)
    ]
    portraits += [(person, f"s{number}/0.png") for number, person in enumerate(STRANGERS[:2])]
    portraits.append((STRANGERS[2], OUTSIDE))
    for person, path in portraits:
        view = draw_view(generator, draw_light(generator))
        picture = render_face(
            person,
            size=240,
            yaw=view.yaw / 2,
            pitch=view.pitch / 2,
            light=view.light,
            noise_seed=view.noise_seed,
        )
        save(picture, folder / path)
    save(render_landscape(size=(240, 160), noise_seed=3), folder / FACELESS)
    (folder / BROKEN).write_bytes(b"no photo")
    found = people_at(place)
    pairs = write_pairs(place / "first.csv", list(combinations(found.faces[:2], 2)))
    done = evaluate_pairs(pairs, found.source())
    assert done.extraction is not None
    assert done.extraction.as_json()["extracted"] == len(portraits) + 1
    collection = Collection.open(found.collection)
    cluster_people(collection, collection.snapshot())


def save(picture: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def write_pairs(path: Path, pairs: list[tuple[str, str]], folds: int = 1) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("left", "right", "same", "fold"))
        for number, (left, right) in enumerate(pairs):
            same = left.partition("/")[0] == right.partition("/")[0]
            rows.writerow((left, right, int(same), number % folds))
    return path


def write_text(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_pairs_are_scored_by_the_distances_of_their_photos(people: People, tmp_path: Path) -> None:
    pairs = list(combinations(people.faces, 2))
    file = write_pairs(tmp_path / "pairs.csv", pairs, folds=5)
    done = evaluate_pairs(file, people.source(), str(tmp_path / "out"))
    with np.load(tmp_path / "out" / "pairs.npz") as arrays:
        distances = arrays["distances"]
    embeddings = Photos.of(Collection.open(people.collection).snapshot()).embeddings(people.faces)
    row = {path: number for number, path in enumerate(people.faces)}
    for (left, right), distance in zip(pairs, distances, strict=True):
        difference = embeddings[row[left]] - embeddings[row[right]]
        assert distance == pytest.approx(float(difference @ difference), abs=1e-6)
    figures = done.summary["figures"]
    assert figures["same"] == 6 * 3
    assert len(figures["folds"]) == 5
    # Rendered people are told apart less well than real ones.
    assert figures["accuracy"]["mean"] > 0.9
    assert figures["auc"] > 0.9


def test_a_second_evaluation_extracts_nothing_and_gives_the_same(
    people: People, tmp_path: Path
) -> None:
    file = write_pairs(tmp_path / "pairs.csv", list(combinations(people.faces, 2)))
    first, second = (evaluate_pairs(file, people.source()) for _ in range(2))
    assert first.extraction is not None
    assert first.extraction.plan.to_extract == 0
    assert first.summary["figures"] == second.summary["figures"]


def test_photos_that_are_absent_unreadable_or_faceless_are_missing_and_named(
    people: People, tmp_path: Path
) -> None:
    pairs = [*combinations(people.faces[:4], 2), ("p0/0.png", ABSENT)]
    pairs += [("p0/1.png", FACELESS), ("p1/0.png", BROKEN)]
    done = evaluate_pairs(write_pairs(tmp_path / "pairs.csv", pairs), people.source())
    figures, photos = done.summary["figures"], done.summary["photos"]
    assert (figures["missing_same"], figures["missing_different"]) == (2, 1)
    assert photos["not_there"] == [ABSENT]
    assert photos["no_face"] == [FACELESS]
    assert photos["failed"] == {"not_an_image": [BROKEN]}
    assert (photos["named"], photos["with_face"]) == (8, 5)


def test_a_photo_that_left_the_folder_is_missing_though_the_collection_knows_it(
    people: People, tmp_path: Path
) -> None:
    folder, url = tmp_path / people.folder.name, str(tmp_path / "faces")
    shutil.copytree(people.folder, folder)
    shutil.copytree(people.collection, url)
    (folder / "p0" / "0.png").unlink()
    file = write_pairs(tmp_path / "pairs.csv", [("p0/0.png", "p0/1.png"), ("p0/1.png", "p1/1.png")])
    done = evaluate_pairs(file, Source(str(folder), url, {}, None, IN_THIS_PROCESS))
    assert done.summary["photos"]["not_there"] == ["p0/0.png"]
    assert done.summary["figures"]["missing_same"] == 1


def test_photos_in_linked_folders_are_there_where_links_are_followed(
    people: People, tmp_path: Path
) -> None:
    folder = tmp_path / "linked"
    folder.mkdir()
    shutil.copytree(people.folder / "p2", tmp_path / "elsewhere")
    (folder / "p2").symlink_to(tmp_path / "elsewhere")
    shutil.copytree(people.folder / "s0", folder / "s0")
    file = write_pairs(tmp_path / "pairs.csv", [("p2/0.png", "p2/1.png"), ("p2/0.png", "s0/0.png")])
    following = replace(IN_THIS_PROCESS, follow_links=True)
    done = evaluate_pairs(file, Source(str(folder), None, {}, None, following))
    assert done.summary["photos"]["not_there"] == []
    assert done.summary["photos"]["with_face"] == 3


def test_people_are_found_in_a_gallery_of_one_photo_each(people: People) -> None:
    done = evaluate_identification(people.source(), seed=3)
    figures = done.summary["figures"]
    # Of six people two have a photo more, without a face.
    probes = 6 * (PHOTOS_EACH - 1) + 2
    assert (figures["gallery"], figures["mated"], figures["non_mated"]) == (6, probes, 2)
    assert done.summary["outside_folders"] == 1
    assert figures["missing_mated"] <= 2
    assert figures["cmc"][0] > 0.7
    of_collection = evaluate_identification(people.collection, seed=3).summary
    assert of_collection["figures"] == figures
    assert of_collection["extract"] is None


def test_identification_takes_labels(people: People, tmp_path: Path) -> None:
    known = [path for path in people.faces if path.startswith(("p0", "p1", "s"))]
    rows = "".join(f"{path};{path[:2]}\n" for path in known)
    file = write_text(tmp_path / "labels.csv", "file;label\n" + rows)
    figures = evaluate_identification(people.collection, labels=str(file)).summary["figures"]
    assert (figures["gallery"], figures["mated"], figures["non_mated"]) == (2, 4, 2)
    alone = write_text(tmp_path / "alone.csv", f"file,label\n{known[0]},Ann\n")
    with pytest.raises(InputError, match=r"alone.csv labels nobody in two photos"):
        evaluate_identification(people.collection, labels=str(alone))


def test_a_gallery_photo_without_a_face_makes_its_persons_probes_misses(people: People) -> None:
    drawn = (
        evaluate_identification(people.collection, seed=seed).summary["figures"]
        for seed in range(9)
    )
    # Fewer missing probes than photos without a face: the others are in the gallery.
    figures = next(figures for figures in drawn if figures["missing_mated"] < 2)
    most = 1 - (figures["missing_mated"] + PHOTOS_EACH) / figures["mated"]
    assert figures["cmc"][-1] <= most


def test_clusters_are_scored_by_folder_and_by_file_alike(people: People, tmp_path: Path) -> None:
    by_folder = evaluate_clusters(people.collection, BY_FOLDER).summary
    rows = "".join(f"people/{path},{path.partition('/')[0]}\n" for path in people.faces)
    file = write_text(tmp_path / "labels.csv", "file,label\n" + rows.replace("people/s", "s"))
    by_file = evaluate_clusters(people.collection, str(file)).summary
    assert by_folder["figures"]["faces"] == len(people.faces) - 1
    assert by_folder["faces_not_scored"]["other"] == 1
    assert by_folder["photos"]["no_face"] == [FACELESS]
    assert by_file["figures"]["faces"] == len(people.faces)
    assert by_file["figures"]["people"] == by_folder["figures"]["people"] + 1
    assert by_file["faces_not_scored"]["other"] == 0
    assert by_folder["figures"]["pairwise"]["precision"] == 1
    sizes = by_folder["figures"]["by_size"]
    assert sum(size["faces"] for size in sizes) == by_folder["figures"]["faces"]


def test_one_content_under_two_labels_is_left_out(people: People, tmp_path: Path) -> None:
    folder, url = tmp_path / "people", str(tmp_path / "faces")
    shutil.copytree(people.folder, folder)
    shutil.copytree(people.collection, url)
    shutil.copy(folder / "p0" / "0.png", folder / "p1" / "copy.png")
    pairs = write_pairs(tmp_path / "pairs.csv", [("p0/0.png", "p1/copy.png")])
    done = evaluate_pairs(pairs, Source(str(folder), url, {}, None, IN_THIS_PROCESS))
    assert done.summary["photos"]["copies"] == 1
    scored = evaluate_clusters(url, BY_FOLDER).summary
    assert scored["faces_not_scored"]["contradictory"] == 1
    assert scored["figures"]["faces"] == len(people.faces) - 2


def test_detection_is_scored_in_a_collection(
    album: Album, undisturbed: Collection, tmp_path: Path
) -> None:
    shown = [file for file in album.truth.files if file.outcome == "ok"]
    lines = [",".join(map(str, (file.path, *face.box))) for file in shown for face in file.faces]
    lines += [f"{file.path},,,," for file in shown if not file.faces]
    truth = write_text(
        tmp_path / "truth.csv", "\n".join(["file,x0,y0,x1,y1", *lines, "no.jpg,,,,"])
    )
    done = evaluate_detection([truth], undisturbed.storage.url, iou=0.3)
    figures = done.summary["figures"]
    assert figures["faces"] == sum(len(file.faces) for file in shown)
    assert figures["recall"] > 0.9
    assert figures["precision"] > 0.9
    assert figures["images_not_searched"] == 1
    assert done.summary["photos"]["not_there"] == ["no.jpg"]


def test_detection_is_scored_on_a_folder(people: People, tmp_path: Path) -> None:
    noses = {"noses": {"./p0/0.png": [[120, 120]], FACELESS: [], BROKEN: [[1, 1]]}}
    truth = write_text(tmp_path / "noses.json", json.dumps(noses))
    figures = evaluate_detection([truth], people.source()).summary["figures"]
    assert (figures["found"], figures["faces"], figures["images_not_searched"]) == (1, 2, 1)
    assert figures["images_without_truth"] == len(people.faces) - 1


@pytest.mark.parametrize("kind", ["pairs", "identification", "clusters", "detection"])
def test_what_is_written_says_what_the_figures_depend_on(
    kind: str, people: People, tmp_path: Path
) -> None:
    out = str(tmp_path / "out")
    truth = write_text(tmp_path / "noses.json", json.dumps({"noses": {"p0/0.png": [[120, 120]]}}))
    pairs = write_pairs(tmp_path / "pairs.csv", list(combinations(people.faces[:5], 2)))
    done = {
        "pairs": lambda: evaluate_pairs(pairs, people.source(), out),
        "identification": lambda: evaluate_identification(people.collection, output=out),
        "clusters": lambda: evaluate_clusters(people.collection, BY_FOLDER, out),
        "detection": lambda: evaluate_detection([truth], people.collection, output=out),
    }[kind]()
    written = json.loads((tmp_path / "out" / f"{kind}.json").read_text())
    collection = Collection.open(people.collection)
    assert written["figures"] == done.summary["figures"]
    assert (written["space"], written["fingerprint"]) == (collection.space, collection.fingerprint)
    assert written["versions"]["facebatch"]
    assert written["ran_on"][0]["engine"] in ("torch", "openvino")
    assert people.collection in written["inputs"].values()
    paths = [Path(path) for path in done.summary["written"]]
    assert all(path.exists() for path in paths)
    assert {path.name for path in paths} >= {f"{kind}.json", f"{kind}.npz", f"{kind}.html"}


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    source = Source(str(tmp_path), None, {}, None, IN_THIS_PROCESS)
    with pytest.raises(InputError, match="holds no photos"):
        evaluate_identification(source)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("left,right,same\na.jpg,b.jpg,maybe\n", "pairs.csv: line 2: 'maybe'"),
        ("left,right,same\na.jpg,b.jpg\n", "pairs.csv: line 2: 2 values"),
        ("10 300\nSomebody 1 2\n", "pairs.csv: line 3"),
        ("left,right,same\nx/p0/0.png,x/p0/1.png,1\n", "of 2 photos that the file names none"),
    ],
)
def test_a_pairs_file_that_cant_be_scored_is_refused_before_anything_is_extracted(
    content: str, says: str, people: People, tmp_path: Path
) -> None:
    file = write_text(tmp_path / "pairs.csv", content)
    url = str(tmp_path / "faces")
    source = Source(str(people.folder), url, {}, None, IN_THIS_PROCESS)
    with pytest.raises(InputError, match=says):
        evaluate_pairs(file, source)
    assert not Path(url).exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("file,label\np0/0.png\n", "line 2: 1 values"),
        ("file,label\np0/0.png,\n", "line 2: no label"),
        ("file,label\np0/0.png,Ann\np0/0.png,Bob\n", "line 3: p0/0.png is Bob, and was Ann"),
        ("file,name\np0/0.png,Ann\n", "line 1: the header has no column label"),
        ("file,label\nx.png,Ann\n", "of 1 photo that the file names none"),
        ("file,label\n", "no label below"),
        (f"file,label\n{FACELESS},Ann\n", "no face"),
    ],
)
def test_labels_that_cant_be_used_are_refused(
    content: str, says: str, people: People, tmp_path: Path
) -> None:
    file = write_text(tmp_path / "labels.csv", content)
    with pytest.raises(InputError, match=says):
        evaluate_clusters(people.collection, str(file))


def test_a_truth_that_names_a_photo_in_two_files_is_refused(people: People, tmp_path: Path) -> None:
    files = [
        write_text(tmp_path / name, "file,x,y\np0/0.png,120,120\n") for name in ("a.csv", "b.csv")
    ]
    with pytest.raises(InputError, match=r"b\.csv: p0/0\.png is in another file"):
        evaluate_detection(files, people.source())


def test_a_file_that_isnt_there_is_named(people: People, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv can't be read"):
        evaluate_pairs(tmp_path / "nowhere.csv", people.source())


def test_a_collection_of_another_space_is_refused(people: People, tmp_path: Path) -> None:
    file = write_pairs(tmp_path / "pairs.csv", [("p0/0.png", "p0/1.png")])
    with pytest.raises(SettingsMismatch, match="tta = full"):
        evaluate_pairs(file, people.source(tta="full"))


def test_an_unknown_method_is_refused_at_once(people: People) -> None:
    with pytest.raises(UsageError, match="'guess'; there are nearest"):
        evaluate_identification(people.source(), method="guess")


def test_a_collection_without_clusters_says_what_to_run(people: People, tmp_path: Path) -> None:
    url = str(tmp_path / "faces")
    shutil.copytree(people.collection, url)
    shutil.rmtree(Path(url) / "clusters")
    with pytest.raises(CollectionError, match="facebatch cluster"):
        evaluate_clusters(url, BY_FOLDER)


@pytest.mark.full
def test_all_pairs_of_real_photos_are_told_apart(tmp_path: Path) -> None:
    folder = real_data("lfw100")
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))
    file = write_pairs(tmp_path / "pairs.csv", list(combinations(paths, 2)), folds=10)
    source = Source(str(folder), None, {}, None, RunSettings(workers=1))
    figures = evaluate_pairs(file, source).summary["figures"]
    assert (figures["same"], figures["different"]) == (450, 4500)
    assert figures["missing_same"] == figures["missing_different"] == 0
    assert figures["accuracy"]["mean"] > 0.99
