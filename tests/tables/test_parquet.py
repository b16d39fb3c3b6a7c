from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import rows

from facebatch import tables
from facebatch.errors import CollectionError
from facebatch.extract.decide import RETRYABLE
from facebatch.media.reasons import REASONS
from facebatch.storage.store import Storage

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTED = REPOSITORY / "docs" / "tables.md"
CONTRACTS = sorted((REPOSITORY / "schemas").glob("*.json"))


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def parquet_at(storage: Storage, path: str) -> pq.ParquetFile:
    return pq.ParquetFile(storage.full_path(path))


def put_ids(storage: Storage, **metadata: str) -> None:
    """Puts a table of one face id at ids.parquet, with metadata as another program may have it."""
    prefixed = {f"facebatch.{key}": value for key, value in metadata.items()}
    column = pa.array([b"a" * 16], pa.binary(16))
    table = pa.table({"face_id": column}).replace_schema_metadata(prefixed)
    pq.write_table(table, storage.full_path("ids.parquet"))


def test_media_rows_read_as_they_were_written(storage: Storage) -> None:
    written = rows.media(rows.media_row("a.jpg"), rows.media_row("b.jpg", "quarantined", None))
    tables.write(storage, "m.parquet", "media", written, "f")
    assert tables.read(storage, "m.parquet", "media").equals(written)


def test_face_rows_read_as_they_were_written(storage: Storage) -> None:
    written = rows.faces([("a.jpg", 0, 0), ("a.jpg", 0, 1)])
    tables.write(storage, "f.parquet", "faces", written, "f")
    assert tables.read(storage, "f.parquet", "faces").equals(written)


@pytest.mark.parametrize("table", tables.table_names())
def test_a_table_without_rows_keeps_its_schema(storage: Storage, table: str) -> None:
    empty = tables.schema(table, 128 if table in ("faces", "gallery") else None).empty_table()
    tables.write(storage, "t.parquet", table, empty, "f")
    assert tables.read(storage, "t.parquet", table).equals(empty)


def test_columns_come_in_the_order_asked_for(storage: Storage) -> None:
    tables.write(storage, "m.parquet", "media", rows.media(rows.media_row("a.jpg")), "f")
    read = tables.read(storage, "m.parquet", "media", ["path", "media_id"])
    assert read.column_names == ["path", "media_id"]


def test_columns_may_be_written_in_any_order(storage: Storage) -> None:
    table = rows.media(rows.media_row("a.jpg"))
    tables.write(storage, "m.parquet", "media", table.select(table.column_names[::-1]), "f")
    assert tables.read(storage, "m.parquet", "media").equals(table)


def test_a_null_where_the_contract_has_none_is_refused(storage: Storage) -> None:
    table = tables.from_rows("media", [{**rows.media_row("a.jpg"), "faces": None}])
    with pytest.raises(ValueError, match="faces"):
        tables.write(storage, "m.parquet", "media", table, "f")
    assert not storage.exists("m.parquet")


def test_write_says_how_large_the_file_is(storage: Storage) -> None:
    size = tables.write(storage, "m.parquet", "media", rows.media(rows.media_row("a.jpg")), "f")
    assert [file.size for file in storage.files("")] == [size]


def test_every_file_says_what_it_holds(storage: Storage) -> None:
    table = rows.media(rows.media_row("a.jpg"))
    tables.write(storage, "m.parquet", "media", table, "abc", extra={"replaces": "[]"})
    assert tables.read_metadata(storage, "m.parquet", "media") == {
        "table": "media",
        "schema_version": str(tables.contract("media").version),
        "fingerprint": "abc",
        "replaces": "[]",
    }


def test_files_are_zstd_in_row_groups_of_at_most_ten_thousand(storage: Storage) -> None:
    column = pa.array([n.to_bytes(16, "big") for n in range(10_001)], pa.binary(16))
    tables.write(storage, "i.parquet", "ids", pa.table({"face_id": column}), "f")
    stored = parquet_at(storage, "i.parquet").metadata
    assert [stored.row_group(n).num_rows for n in range(stored.num_row_groups)] == [10_000, 1]
    assert stored.row_group(0).column(0).compression == "ZSTD"


def test_one_chip_is_read_without_thousands_of_others(storage: Storage) -> None:
    table = rows.faces([("a.jpg", 0, place) for place in range(300)])
    at = table.schema.get_field_index("chip")
    chips = table.set_column(at, table.field(at), pa.array([b"JPEG"] * 300, pa.binary()))
    for name, written, lengths in (("c", chips, [256, 44]), ("n", table, [300])):
        tables.write(storage, f"{name}.parquet", "faces", written, "f")
        stored = parquet_at(storage, f"{name}.parquet").metadata
        assert [stored.row_group(n).num_rows for n in range(stored.num_row_groups)] == lengths
        assert not tables.has_coarse_chips(storage, f"{name}.parquet")
    with storage.open("c.parquet") as file:
        whole = pq.read_table(file)
    sink = pa.BufferOutputStream()
    pq.write_table(whole, sink, row_group_size=10_000)
    storage.write("o.parquet", sink.getvalue().to_pybytes())
    assert tables.has_coarse_chips(storage, "o.parquet")


def test_embeddings_are_stored_without_a_dictionary(storage: Storage) -> None:
    tables.write(storage, "f.parquet", "faces", rows.faces([("a.jpg", 0, 0)]), "f")
    group = parquet_at(storage, "f.parquet").metadata.row_group(0)
    columns = [group.column(n) for n in range(group.num_columns)]
    [embedding] = [column for column in columns if column.path_in_schema.startswith("embedding")]
    assert not embedding.has_dictionary_page
    assert not any("DICTIONARY" in encoding for encoding in embedding.encodings)


def test_the_previous_version_reads_with_nulls_for_what_is_new(storage: Storage) -> None:
    newest = tables.contract("media").version
    before = rows.media(rows.media_row("a.jpg")).drop_columns(["cpu"])
    metadata = {"facebatch.table": "media", "facebatch.schema_version": str(newest - 1)}
    path = storage.full_path("m.parquet")
    pq.write_table(before.replace_schema_metadata(metadata), path)
    read = tables.read(storage, "m.parquet", "media")
    assert read.schema.names == tables.schema("media").names
    assert read["cpu"].to_pylist() == [None]
    assert read["path"].to_pylist() == ["a.jpg"]


@pytest.mark.parametrize("distance", [-2, 1])
def test_other_versions_are_refused_by_name(storage: Storage, distance: int) -> None:
    version = tables.contract("ids").version + distance
    put_ids(storage, table="ids", schema_version=str(version))
    for read in (tables.read, tables.read_metadata):
        with pytest.raises(CollectionError, match=f"version {version} of ids"):
            read(storage, "ids.parquet", "ids")


def test_another_table_is_refused_by_name(storage: Storage) -> None:
    put_ids(storage, table="clusters", schema_version="1")
    for read in (tables.read, tables.read_metadata):
        with pytest.raises(CollectionError, match="clusters, not ids"):
            read(storage, "ids.parquet", "ids")


def test_a_foreign_parquet_file_is_refused(storage: Storage) -> None:
    put_ids(storage)
    with pytest.raises(CollectionError, match="no facebatch table"):
        tables.read(storage, "ids.parquet", "ids")


@pytest.mark.parametrize("damage", ["empty", "no parquet", "cut short"])
def test_a_damaged_file_is_named(storage: Storage, damage: str) -> None:
    put_ids(storage, table="ids", schema_version="1")
    whole = storage.read("ids.parquet")
    broken = {"empty": b"", "no parquet": b"x" * 99, "cut short": whole[: len(whole) // 2]}
    storage.write("ids.parquet", broken[damage])
    for read in (tables.read, tables.read_metadata):
        with pytest.raises(CollectionError, match=r"ids\.parquet can't be read"):
            read(storage, "ids.parquet", "ids")


def test_a_file_that_is_not_there_is_named(storage: Storage) -> None:
    with pytest.raises(CollectionError, match=r"gone\.parquet"):
        tables.read(storage, "gone.parquet", "ids")


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(0, 5), st.integers(1, 4)),
        elements=st.floats(-1, 1, width=32),
    )
)
def test_matrix_gives_back_the_vectors(values: np.ndarray) -> None:
    column = tables.vectors(values)
    assert column.type.list_size == values.shape[1]
    for chunks in ([column], [column, column.slice(0, 0)], [column.slice(1)]):
        expected = values[1:] if len(chunks[0]) < len(values) else values
        back = tables.matrix(pa.chunked_array(chunks, column.type))
        assert back.dtype == np.float32
        np.testing.assert_array_equal(back, expected)


def test_an_unknown_table_has_no_contract() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        tables.contract("nonsense")


def test_the_faces_table_has_no_schema_without_a_dimension() -> None:
    with pytest.raises(ValueError, match="dimension"):
        tables.schema("faces")


def test_every_json_contract_is_a_table_that_the_code_knows() -> None:
    assert {path.name.split(".")[0] for path in CONTRACTS} == set(tables.table_names())
    for path in CONTRACTS:
        name, version = re.fullmatch(r"(\w+)\.v(\d+)\.json", path.name).groups()  # type: ignore[union-attr]
        contract = tables.contract(name, int(version))
        assert (contract.table, contract.version) == (name, int(version))
        raw = json.loads(path.read_text("utf-8"))["columns"]
        assert [(c.name, c.type, c.nullable) for c in contract.columns] == [
            (column["name"], column["type"], column["nullable"]) for column in raw
        ]


@pytest.mark.parametrize("table", tables.table_names())
def test_the_code_has_the_types_that_the_contract_names(table: str) -> None:
    schema = tables.schema(table, 128 if table in ("faces", "gallery") else None)
    for column, field in zip(tables.contract(table).columns, schema, strict=True):
        assert (column.name, column.nullable) == (field.name, field.nullable)
        written = str(field.type).replace("halffloat", "float16").replace("double", "float64")
        written = re.sub(r"\bfloat\b", "float32", written)
        written = re.sub(r"^list<item: (\w+) not null>$", r"list<\1>", written)
        if match := re.fullmatch(r"fixed_size_list<item: (\w+) not null>\[(\d+)\]", written):
            length = "dimension" if column.name == "embedding" else match[2]
            written = f"fixed_size_list<{match[1]}>[{length}]"
        assert written == column.type


def documented(heading: str) -> list[list[str]]:
    """Returns the table rows below a heading of docs/tables.md, cell by cell."""
    below = DOCUMENTED.read_text("utf-8").split(f"\n## {heading}")[1].split("\n## ")[0]
    lines = [line for line in below.splitlines() if line.startswith("| `")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


NEWEST = [
    path
    for path in CONTRACTS
    if path.stem.endswith(f".v{tables.contract(path.stem.partition('.')[0]).version}")
]


@pytest.mark.parametrize("path", NEWEST, ids=lambda path: path.stem)
def test_the_docs_list_every_column_with_type_unit_and_meaning(path: Path) -> None:
    raw = json.loads(path.read_text("utf-8"))
    listed = documented(f"{raw['table']} (version {raw['version']})")
    assert [cells[:3] for cells in listed] == [
        [column["name"], column["type"], column.get("unit", "")] for column in raw["columns"]
    ]
    for cells, column in zip(listed, raw["columns"], strict=True):
        assert cells[3].startswith(column["description"])
        assert cells[3].endswith("May be null.") == column["nullable"]


def reasons_in_code() -> Iterator[str]:
    """Yields the reason codes that the library's sources give to quarantined items."""
    sources = [*REPOSITORY.glob("facebatch/**/*.py"), *REPOSITORY.glob("pipelines/*.py")]
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "MediaError":
                yield from _strings(node.args[0])
            if isinstance(node, ast.keyword) and node.arg == "failure":
                yield from _strings(getattr(node.value, "elts", [node.value])[0])
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "code":
                yield from _strings(node.value)


def _strings(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _strings(node.body)
        yield from _strings(node.orelse)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def test_every_reason_code_in_the_code_is_explained_and_no_other() -> None:
    assert set(reasons_in_code()) == set(REASONS)


def test_the_docs_list_every_reason_code_and_whether_it_may_pass() -> None:
    listed = {code: (passing, meaning) for code, passing, meaning in documented("Reason codes")}
    assert listed == {
        code: ("yes" if code in RETRYABLE else "no", meaning) for code, meaning in REASONS.items()
    }
    assert set(RETRYABLE) <= set(REASONS)
