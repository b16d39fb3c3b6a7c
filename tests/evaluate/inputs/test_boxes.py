import json

import numpy as np
import pytest
from support.data import real_data

from facebatch.errors import InputError
from facebatch.evaluate.inputs.boxes import read_truth

VOC = """<annotation><folder>x</folder><filename>{file}</filename>
<size><width>100</width><height>80</height><depth>3</depth></size>
<object><name>{name}</name><difficult>{difficult}</difficult>
<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>{xmax}</xmax><ymax>20</ymax></bndbox>
<part><name>nose</name><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>6</xmax><ymax>6</ymax></bndbox>
</part></object>
<object><name>Face</name><bndbox><ymin>31.5</ymin><xmin>41</xmin><xmax>50</xmax><ymax>40</ymax>
</bndbox></object></annotation>"""

DLIB = """<?xml version='1.0' encoding='ISO-8859-1'?>
<?xml-stylesheet type='text/xsl' href='image_metadata_stylesheet.xsl'?>
<dataset><name>x</name><images>
<image file='one.jpg'><box top='10' left='20' width='30' height='40'><part name='00' x='1' y='2'/>
</box><box top='-3' left='5' width='6' height='7' ignore='1'/></image>
<image file='none.jpg'/></images></dataset>"""

WIDER = """0--Parade/one.jpg
2
449 330 122 149 0 0 0 0 0 0
10 20 30 40 0 0 0 1 0 0
0--Parade/none with blanks.jpg
0
0 0 0 0 0 0 0 0 0 0
0--Parade/flat.jpg
1
5 6 0 8 0 0 0 0 0 0
"""


def voc(file="one.jpg", name="face", difficult="0", xmax="10"):
    return VOC.format(file=file, name=name, difficult=difficult, xmax=xmax)


def written(folder, text, name="truth"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def plain(truth):
    return {
        file: [
            (*map(float, box), bool(ignored))
            for box, ignored in zip(faces.boxes, faces.ignore, strict=True)
        ]
        for file, faces in truth.items()
    }


def test_voc_pixels_count_from_one_and_are_inclusive(tmp_path):
    written(tmp_path, voc(difficult="1"), "b.xml")
    written(tmp_path, voc(file="two.jpg", name="person"), "a.xml")
    written(tmp_path, "no annotation", "readme.txt")
    assert plain(read_truth(tmp_path)) == {
        "two.jpg": [(40, 30.5, 50, 40, False)],
        "one.jpg": [(0, 1, 10, 20, True), (40, 30.5, 50, 40, False)],
    }


def test_a_single_voc_file_is_one_photo(tmp_path):
    path = written(tmp_path, voc(file=""), "0123.xml")
    assert list(read_truth(path)) == ["0123"]


def test_dlib_boxes_are_left_top_width_height(tmp_path):
    truth = read_truth(written(tmp_path, DLIB))
    assert plain(truth) == {
        "one.jpg": [(20, 10, 50, 50, False), (5, -3, 11, 4, True)],
        "none.jpg": [],
    }
    assert truth["none.jpg"].boxes.shape == (0, 4)


def test_wider_marks_invalid_and_flat_faces(tmp_path):
    assert plain(read_truth(written(tmp_path, WIDER))) == {
        "0--Parade/one.jpg": [(449, 330, 571, 479, False), (10, 20, 40, 60, True)],
        "0--Parade/none with blanks.jpg": [],
        "0--Parade/flat.jpg": [(5, 6, 5, 14, True)],
    }


def test_wider_may_omit_the_line_of_zeros(tmp_path):
    assert plain(read_truth(written(tmp_path, "a.jpg\n0\nb.jpg\n0\n"))) == {
        "a.jpg": [],
        "b.jpg": [],
    }


def test_a_csv_of_boxes_is_in_our_own_coordinates(tmp_path):
    text = (
        "\ufefffile,x1,y1,x0,y0,ignore\r\na.jpg,3,4,1,2.5,\r\nb.jpg,,,,,\r\na.jpg,9,9,8,8,TRUE\r\n"
    )
    truth = read_truth(written(tmp_path, text))
    assert plain(truth) == {"a.jpg": [(1, 2.5, 3, 4, False), (8, 8, 9, 9, True)], "b.jpg": []}
    assert truth["a.jpg"].boxes.dtype == np.float32


def test_points_stand_where_boxes_are_unknown(tmp_path):
    by_csv = read_truth(written(tmp_path, "file,x,y\na.jpg,3,4\na.jpg,5,6.5\nb.jpg,,\n"))
    noses = {"noses": {"a.jpg": [[3, 4], [5, 6.5]], "b.jpg": []}, "note": "more"}
    by_json = read_truth(written(tmp_path, json.dumps(noses)))
    for truth in (by_csv, by_json):
        assert list(truth) == ["a.jpg", "b.jpg"]
        assert truth["a.jpg"].points.tolist() == [[3, 4], [5, 6.5]]
        assert np.isnan(truth["a.jpg"].boxes).all()
        assert (len(truth["a.jpg"]), len(truth["b.jpg"])) == (2, 0)
        assert truth["b.jpg"].points.shape == (0, 2)


def test_dlibs_own_files_are_read():
    folder = real_data("dlib_faces")
    truth = read_truth(folder / "testing.xml")
    plain_boxes = plain(read_truth(folder / "testing_with_face_landmarks.xml"))
    assert plain(truth) == plain_boxes
    assert plain(truth)["2008_002470.jpg"][0] == (274, 181, 326, 234, False)
    assert all((folder / file).is_file() for file in truth)


def test_comprefaces_own_annotations_are_read():
    folder = real_data("compreface_samples")
    truth = read_truth(folder / "annotations.json")
    assert truth["000_5.jpg"].points[0].tolist() == [219, 105]
    assert all((folder / file).is_file() for file in truth)
    # The part of a file name before the dot ends in the number of faces or in the person.
    assert all(len(truth[file]) == int(file[4]) for file in truth if file[4].isdecimal())


ENTITY = "<!DOCTYPE dataset [<!ENTITY a 'boom'>]>"
BILLION = (
    "<!DOCTYPE dataset [<!ENTITY a0 'ha'>"
    + "".join(f"<!ENTITY a{i + 1} '{f'&a{i};' * 10}'>" for i in range(9))
    + "]><dataset><name>&a9;</name></dataset>"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    "text",
    [
        BILLION,
        f"{ENTITY}<dataset><images><image file='&a;.jpg'/></images></dataset>",
        "<!DOCTYPE annotation SYSTEM 'file:///etc/passwd'><annotation/>",
        f"<!-- first --><?x y?>{ENTITY}<annotation/>",
    ],
)
def test_xml_that_declares_a_document_type_is_refused_unread(tmp_path, text, encoding):
    path = written(tmp_path, text.encode(encoding), "evil.xml")
    for place in (path, tmp_path):
        with pytest.raises(InputError, match=r"evil\.xml: the XML declares a document type"):
            read_truth(place)


def test_xml_in_utf_16_is_read(tmp_path):
    text = DLIB.split("?>", 2)[2]
    assert list(read_truth(written(tmp_path, text.encode("utf-16")))) == ["one.jpg", "none.jpg"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither XML"),
        ("hello\nworld\n", "neither XML"),
        (b"\x89PNG\r\n\x1a\n\xff", "UTF-8"),
        ("<html/>", "root element is html"),
        ("<dataset>", "malformed"),
        ("<?xml version='1.0' encoding='nonsense'?><dataset/>", "malformed"),
        ("<dataset><images/></dataset>", "no images"),
        (DLIB.replace("file='one.jpg'", ""), "no file"),
        (DLIB.replace("none.jpg", "one.jpg"), "one.jpg is named twice"),
        (DLIB.replace("width='30'", "width='0'"), "one.jpg, box: the box 20, 10, 20, 50 has no"),
        (DLIB.replace("top='10'", "top='ten'"), "one.jpg, box, top: 'ten'"),
        (DLIB.replace("top='10' ", ""), "one.jpg, box, top: None"),
        (voc().replace("Face", "dog").replace("face", "cat"), 'named "face"; there are cat, dog'),
        (voc(xmax="0"), "truth, bndbox: the box 0, 1, 0, 20 has no area"),
        (voc(xmax="nan"), "xmax: 'nan'"),
        (WIDER.replace("10 20 30 40 0", "10 20 30 40"), "line 4: .* numbers of a face"),
        (WIDER.replace("10 20", "10 x"), "line 4: 'x'"),
        ("\n".join(WIDER.split("\n")[:3]), "line 2: ''"),
        ("a.jpg\n1\n1 2 3 4 0 0 0 0 0 0\nb.jpg", "line 4: ''"),
        ("a.jpg\n0\na.jpg\n0\n", "line 3: a.jpg is named twice"),
        ("file,x0,y0,x1\na,1,2,3\n", "no column y1"),
        ("file,x\na,1\n", "no column y"),
        ("file,x0,y0,x1,y1\na,1,2,3,\n", "line 2: ''"),
        ("file,x0,y0,x1,y1\na,1,2,3,inf\n", "line 2: 'inf'"),
        ("file,x0,y0,x1,y1\na,1,2,1,4\n", "line 2: the box"),
        ("file,x0,y0,x1,y1\n,1,2,1,4\n", "line 2: no file"),
        ("file,x0,y0,x1,y1,ignore\na,1,2,3,4,perhaps\n", "line 2: 'perhaps'"),
        ("file,x,y\na,1,\n", "line 2: ''"),
        ("{", "JSON is malformed"),
        ("{}", "no noses"),
        ('{"noses": [1]}', "no noses"),
        ('{"noses": {"a": 3}}', "noses of a"),
        ('{"noses": {"a": [[1, "2"]]}}', "a nose of a"),
        ('{"noses": {"a": [[1, NaN]]}}', "a nose of a"),
        ('{"noses": {"a": [[1, 1' + "0" * 400 + "]]}}", "a nose of a"),
        ('{"noses": {"a": [[true, 1, 2]]}}', "a nose of a"),
    ],
)
def test_what_can_not_be_read_is_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as raised:
        read_truth(written(tmp_path, text))
    assert str(tmp_path / "truth") in str(raised.value)


def test_a_folder_needs_annotations(tmp_path):
    with pytest.raises(InputError, match="holds no XML"):
        read_truth(tmp_path)
    written(tmp_path, DLIB, "dlib.xml")
    with pytest.raises(InputError, match=r"dlib\.xml: its root element is dataset"):
        read_truth(tmp_path)


def test_two_annotations_of_one_photo_are_refused(tmp_path):
    written(tmp_path, voc(), "a.xml")
    written(tmp_path, voc(), "b.xml")
    with pytest.raises(InputError, match=r"one\.jpg is named twice"):
        read_truth(tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="gone can't be read"):
        read_truth(tmp_path / "gone")
