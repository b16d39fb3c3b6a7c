import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.data import real_data

from facebatch.errors import InputError
from facebatch.evaluate.inputs.pair_lists import Pair, all_pairs, read_pairs

VIEW_2 = (
    "2\t1\n"
    "Abel_Pacheco\t1\t4\n"
    "Abdel_Madi_Shabneh\t1\tDean_Barker\t2\n"
    "Akhmed_Zakayev\t1\t12345\n"
    "Abdul_Rahman\t1\tPortia_de_Rossi\t1\n"
)


def test_view_2_is_read_fold_by_fold():
    assert read_pairs(VIEW_2) == [
        Pair("Abel_Pacheco/Abel_Pacheco_0001.jpg", "Abel_Pacheco/Abel_Pacheco_0004.jpg", True, 0),
        Pair(
            "Abdel_Madi_Shabneh/Abdel_Madi_Shabneh_0001.jpg",
            "Dean_Barker/Dean_Barker_0002.jpg",
            False,
            0,
        ),
        Pair(
            "Akhmed_Zakayev/Akhmed_Zakayev_0001.jpg",
            "Akhmed_Zakayev/Akhmed_Zakayev_12345.jpg",
            True,
            1,
        ),
        Pair(
            "Abdul_Rahman/Abdul_Rahman_0001.jpg",
            "Portia_de_Rossi/Portia_de_Rossi_0001.jpg",
            False,
            1,
        ),
    ]


def test_view_1_is_one_fold():
    pairs = read_pairs("2\nA\t1\t2\nB\t1\t2\nA\t1\tB\t1\nA\t2\tB\t2\n\n")
    assert [(pair.same, pair.fold) for pair in pairs] == [(True, 0)] * 2 + [(False, 0)] * 2


def test_a_mark_and_carriage_returns_of_windows_change_nothing():
    assert read_pairs("\ufeff" + VIEW_2.replace("\n", "\r\n")) == read_pairs(VIEW_2)


def test_lfws_own_development_list_names_photos_that_are_there():
    folder = real_data("lfw_view1_devtest")
    pairs = read_pairs((folder / "pairs.txt").read_text())
    assert [pair.same for pair in pairs] == [True] * 500 + [False] * 500
    photos = {photo for pair in pairs for photo in (pair.left, pair.right)}
    assert len(photos) == 1549
    assert all((folder / "images" / photo).is_file() for photo in photos)


def test_a_csv_names_photos_as_they_are():
    text = 'right, left,same,fold,note\nb.jpg,"a, 1.jpg",true,3,x\nd.jpg,c.jpg,0,4,\n'
    assert read_pairs(text) == [
        Pair("a, 1.jpg", "b.jpg", True, 3),
        Pair("c.jpg", "d.jpg", False, 4),
    ]


def test_a_csv_without_folds_is_one_fold():
    assert read_pairs("left,right,same\na,b,1\n\na,c,False\n") == [
        Pair("a", "b", True, 0),
        Pair("a", "c", False, 0),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "file_x,file_y,Decision\na,b,Yes\na,c,No\n",
        "file_x;file_y;Decision\na;b;yes\na;c;NO\n",
        "left;right;same\na;b;1\na;c;0\n",
        ",file_x,file_y,Decision\n0,a,b,Yes\n1,a,c,No\n",
    ],
)
def test_lists_of_deepface_and_of_spreadsheets_are_read(text):
    assert read_pairs(text) == [Pair("a", "b", True, 0), Pair("a", "c", False, 0)]


def test_a_comma_in_the_header_makes_semicolons_part_of_names():
    assert read_pairs("left,right,same\na;1,b,1\n") == [Pair("a;1", "b", True, 0)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1"),
        ("file_x,file_y\na,b\n", "line 1: the header has no column Decision"),
        ("file_x,file_y,Decision\na,b,perhaps\n", "line 2: 'perhaps'"),
        ("hello\n", "line 1"),
        ("10 300 5\n", "line 1"),
        ("10 x\n", "line 1"),
        ("9" * 5000, "line 1"),
        ("0\n", "line 1"),
        ("0\t300\n", "line 1"),
        (VIEW_2.replace("Abel_Pacheco\t1\t4", "Abel_Pacheco\t1"), "line 2"),
        (VIEW_2.replace("Dean_Barker\t2", "Dean_Barker\ttwo"), "line 3"),
        (VIEW_2.replace("Abdel_Madi_Shabneh\t1\tDean_Barker", "A\t1\tA"), "line 3"),
        (VIEW_2.replace("Akhmed_Zakayev\t1\t12345", "Akhmed\tZakayev\t1\t12345"), "line 4"),
        (VIEW_2.replace("1\t12345", "-1\t12345"), "line 4"),
        (VIEW_2[: VIEW_2.rindex("Abdul")], "line 5: line 1 announces 2 x 1"),
        (VIEW_2 + "A\t1\t2\n", "line 6"),
        ("left,right\na,b\n", "line 1: the header has no column same"),
        ("left,right,same\n", "line 2"),
        ("left,right,same\na,b,maybe\n", "line 2: 'maybe'"),
        ("left,right,same\na,b\n", "line 2: 2 values"),
        ("left,right,same\na,,1\n", "line 2: no photo on the right"),
        ("left,right,same,fold\na,b,1,0\na,b,1,first\n", "line 3: 'first'"),
        ('left,right,same\na,"b,1\n', "line 2"),
    ],
)
def test_what_is_malformed_is_named_by_its_line(text, message):
    with pytest.raises(InputError, match=message):
        read_pairs(text)


@given(st.lists(st.integers(-1, 3), max_size=12), st.integers(1, 70))
def test_blocks_hold_every_pair_once_in_order(labels, block):
    labels = np.array(labels, np.int32)
    blocks = list(all_pairs(labels, block))
    assert all(len(left) == block for left, _, _ in blocks[:-1])
    pairs = [
        (int(i), int(j), bool(same))
        for left, right, one in blocks
        for i, j, same in zip(left, right, one, strict=True)
    ]
    n = len(labels)
    assert pairs == [(i, j, labels[i] == labels[j]) for i in range(n) for j in range(i + 1, n)]


def test_blocks_of_a_large_set_begin_at_once():
    left, right, _ = next(all_pairs(np.zeros(100_000, np.int32)))
    assert (len(left), left[-1]) == (1 << 20, 10)
    # The first ten faces are the left ones of 99,999 + ... + 99,990 pairs.
    assert right[-1] == 10 + (1 << 20) - sum(range(99_990, 100_000))


def test_a_block_holds_something():
    with pytest.raises(ValueError, match="at least 1 pair"):
        next(all_pairs(np.zeros(3, np.int32), 0))
