"""The page that leads from the lecture's slides to the course."""

import re
from pathlib import Path

import pytest
import site_checks as checks

SITE = Path(checks.__file__).resolve().parents[2] / "_build" / "html"
SLIDES = """
Create a NN model; losses and evaluation metrics; Train the model; Evaluate the model; How do we
do it?; hierarchy of feature detectors; TF/Keras implementation; Example in action; Motivational
warm-up; Do not use too big kernels; Input 13, stride 5, kernel size 6; 64, 128, 128, 256, 256
filters; LeNet-5 (1998); ILSVRC; AlexNet (2012); The 96 kernels; closest feature vectors;
GoogLeNet (2014); ResNet (2015); Trend: deeper networks; really need to be deep and
convolutional; Skip connections; Reuse pretrained layers; generic in early layers; To fine-tune
or not to fine-tune?; First transfer learning, then fine-tuning; TensorFlow Hub; trainable =
False; Data augmentation; Effect: regularisation; ImageDataGenerator; Computer vision tasks;
Object detection; Adversarial patches; "panda" 57.7 %; The role of the environment; Attention is
all you need (2017); three moles; Self-attention, cross-attention; ViT (2020); DINO and DINOv2;
Useful reads
"""


@pytest.fixture(scope="module")
def rows():
    page = checks.soup(SITE / "book" / "lecture.html")
    cells = [row.find_all("td") for row in page.find("article", class_="bd-article").find_all("tr")]
    return {one[0].get_text(): one[1] for one in cells if one}


def test_no_slide_is_left_out_and_none_is_added(rows):
    slides = [" ".join(slide.split()) for slide in SLIDES.split(";")]
    titles = "".join(rows).replace("\u201c", '"').replace("\u201d", '"')
    assert [slide for slide in slides if slide not in titles] == []
    assert len(rows) == len(slides)


def test_each_slide_leads_into_the_course(rows):
    for title, place in rows.items():
        targets = [link["href"] for link in place.find_all("a", class_="internal")]
        assert targets, title  # that they exist is a check of the whole site


def test_corrections_are_marked(rows):
    assert sum("\u270e" in place.get_text() for place in rows.values()) >= 15


def test_each_section_says_how_long_it_takes(rows):
    for place in rows.values():
        for link in place.find_all("a", class_="internal"):
            if link["href"][0].isdigit():
                assert re.fullmatch(r" \d+ min( \+ \d+ s)?", link.find_next_sibling().get_text())
