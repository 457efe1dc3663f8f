"""The teachable machine: its page in a browser whose camera shows a photo, its model in Keras."""

import base64
import hashlib
import io
import json
import re
import zipfile
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from browser import open_browser, open_page
from bs4 import BeautifulSoup
from build_book import ROOT
from labs_helpers import FILLED, RUNTIME, embedded, fresh, press_until, spoken, until
from PIL import Image

from course_utils import data, labs, pretrained
from course_utils.architectures.efficientnet import EFFICIENTNET_STAGES
from course_utils.labs import teachable
from course_utils.pretrained.teachable import FORMAT


def jpeg(name):
    """A file that the page's inputs take: one of the labelled photos."""
    with zipfile.ZipFile(data.asset("photo_set/photos.zip")) as archive:
        content = archive.read(f"{name}.jpg")
    return {"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": content}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser whose camera shows a windmill, and is allowed."""
    film = tmp_path_factory.mktemp("camera") / "windmill.mjpeg"
    with Image.open(io.BytesIO(jpeg("windmill_2")["buffer"])) as photo:
        photo.resize((320, 240)).save(film, "jpeg", quality=90)
    film.write_bytes(film.read_bytes() * 5)
    with open_browser(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    ) as browser:
        yield browser


@pytest.fixture(scope="module")
def shared(browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shared")
    with embedded(browser, folder, "teachable") as (page, _):
        yield page


@pytest.fixture
def lab(shared):
    """The frame of a lab as it opens, but with its work shown, though the network is not loaded."""
    frame = fresh(shared)
    frame.evaluate("lab.begin()")
    return frame


def images(frame):
    return frame.evaluate("lab.state().classes.map(one => one.samples.length)")


def card(frame, number):
    return frame.locator(".class").nth(number - 1)


def add(frame, number, *names):
    """Adds photos to a class by its file input, and waits for them."""
    expected = images(frame)[number - 1] + len(names)
    card(frame, number).locator("[type=file]").set_input_files([jpeg(name) for name in names])
    until(frame, f"lab.state().classes[{number - 1}].samples.length === {expected}")


def answer(frame, name):
    """What the lab says to a photo: {class: percent}."""
    frame.locator("#try-file").set_input_files(jpeg(name))
    frame.get_by_label(f"The image that you try: {name}.jpg").wait_for()
    return read_answers(frame)


def read_answers(frame):
    rows = [row.inner_text().split("\n") for row in frame.locator("#answers li").all()]
    return {name: int(share.removesuffix("%")) for name, share in rows}


# ---- From end to end: one page, with the network ----

TAUGHT = {"hammer": ("hammer_2", "hammer_4", "hammer_3"), "fish": ("fish_1", "fish_10", "fish_2")}


@pytest.fixture(scope="module")
def trained(browser, tmp_path_factory):
    """A lab of its own after two classes from files and one from the camera."""
    folder = tmp_path_factory.mktemp("trained")
    with embedded(browser, folder, "teachable", accept_downloads=True) as (page, frame):
        yield teach(page, frame, folder)


def teach(page, frame, folder):
    asked = []

    def note(request):
        assert request.method == "GET"
        asked.append(request.url.rsplit("/", 1)[-1])

    page.on("request", note)
    frame = fresh(page)
    assert frame.get_by_text("Nothing leaves this computer.").is_visible()
    assert asked == ["page.html", "index.html"]  # all the rest only when one asks for it
    asked.clear()
    frame.click("#load")
    frame.locator("#work").wait_for()
    frame.click("#add")
    for number, (name, photos) in enumerate(TAUGHT.items(), 1):
        card(frame, number).get_by_role("textbox").fill(name)
        add(frame, number, *photos)
    card(frame, 3).get_by_role("textbox").fill("windmill")
    hold = card(frame, 3).locator(".hold")
    hold.click()  # the camera is off: this starts it
    until(frame, "lab.state().stream !== null")
    assert images(frame) == [3, 3, 0]
    hold.dispatch_event("pointerdown", {"button": 0, "pointerId": 1})
    until(frame, "lab.state().classes[2].samples.length >= 3")
    hold.dispatch_event("pointerup", {"pointerId": 1})
    until(frame, "lab.state().recording === null")
    frame.click("#train")
    until(frame, "document.querySelector('#answers').innerText.includes('%')")
    live = read_answers(frame)
    with page.expect_download() as download:
        frame.click("#download")
    saved = folder / download.value.suggested_filename
    download.value.save_as(saved)
    return SimpleNamespace(page=page, frame=frame, live=live, saved=saved, asked=list(asked))


@pytest.fixture(scope="module")
def model(trained):
    model, classes = pretrained.teachable_machine(trained.saved)
    assert classes == ("hammer", "fish", "windmill")
    return model


def test_three_photos_a_class_name_a_photo_that_was_held_out(trained):
    for name, photo in {"hammer": "hammer_1", "fish": "fish_25", "windmill": "windmill_7"}.items():
        answers = answer(trained.frame, photo)
        assert max(answers, key=answers.get) == name, (photo, answers)
        assert 98 <= sum(answers.values()) <= 102
    summary = trained.frame.inner_text("#summary")
    assert re.match(r"Trained on \d+ images in \d+ ms\. Of images held out", summary)


def test_the_camera_is_answered_live(trained):
    assert max(trained.live, key=trained.live.get) == "windmill"
    assert trained.live["windmill"] > 60
    trained.frame.click("#back")
    assert trained.frame.locator("video").is_visible()


def test_the_page_asks_for_its_own_files_and_only_once(trained):
    assert sorted(trained.asked) == sorted([*runtime_files(), "network.bin"])


def test_features_and_predictions_equal_keras(trained, model):
    names = [*TAUGHT["hammer"], "plier_3", "gibbon", "eiffel_tower"]
    squares = []
    for name in names:
        with Image.open(io.BytesIO(jpeg(name)["buffer"])) as photo:
            squares.append(np.asarray(photo.convert("RGBA").resize((224, 224))))
    script = """texts => texts.map(text => {
      const pixels = Uint8ClampedArray.from(atob(text), (letter) => letter.charCodeAt(0));
      return [...lab.features(pixels)];
    })"""
    texts = [base64.b64encode(square.tobytes()).decode() for square in squares]
    theirs = np.array(trained.frame.evaluate(script, texts))
    both = keras.Model(model.input, [model.get_layer("unit_length").output, model.output])
    batch = np.stack(squares)[..., :3].astype(np.float32) / 255
    ours, probabilities = both.predict_on_batch(batch)
    assert theirs.shape == ours.shape == (6, 192)
    cosines = (ours * theirs).sum(axis=1)
    assert cosines.min() > 0.99, cosines

    saved = json.loads(trained.saved.read_text())
    logits = theirs @ np.array(saved["kernel"]) + saved["bias"]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, atol=0.03)
    assert (probabilities.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_a_photo_gets_the_same_answer_by_the_lines_that_the_page_shows(trained, model, tmp_path):
    lines = trained.frame.inner_text("#take pre")
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg("hammer_1")["buffer"])
    assert 'pretrained.teachable_machine("teachable_machine.json")' in lines
    lines = lines.replace('"photo.jpg"', repr(str(path))).split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith("image ="))
    said = {}
    names = {"keras": keras, "model": model, "classes": tuple(answer(trained.frame, "hammer_1"))}
    exec("\n".join(lines[start:]), names | {"print": said.update})
    theirs = answer(trained.frame, "hammer_1")
    assert said.keys() == theirs.keys()
    for name, share in said.items():
        assert abs(100 * share - theirs[name]) < 5, (said, theirs)


DROP = """(element, [name, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name));
  for (const kind of ["dragover", "drop"]) {
    const event = new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true});
    if (element.dispatchEvent(event)) throw new Error("the browser would open the file");
    if (element.classList.contains("over") !== (kind === "dragover")) throw new Error(kind);
  }
}"""


def test_images_can_be_dropped(trained):
    frame, before = trained.frame, images(trained.frame)[1]
    photo = jpeg("fish_11")
    dropped = [photo["name"], base64.b64encode(photo["buffer"]).decode()]
    card(frame, 2).evaluate(DROP, dropped)
    until(frame, f"lab.state().classes[1].samples.length === {before + 1}")
    frame.locator("#see").evaluate(DROP, dropped)
    frame.get_by_label("The image that you try: fish_11.jpg").wait_for()


def test_the_example_trains_and_is_one_step_back(trained):
    frame = trained.frame
    before = images(frame)
    frame.click("#example")
    until(frame, "lab.state().classes.every(one => one.samples.length === 4)")
    until(frame, "document.querySelectorAll('.thumb').length === 12")
    frame.click("#train")
    answers = answer(frame, "hammer_8")
    assert max(answers, key=answers.get) == "hammer", answers
    frame.click("#undo")
    assert images(frame) == before


# ---- Errors ----


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("NotAllowedError", "was not allowed. Allow it in the browser’s address bar, or add"),
        ("NotFoundError", "No camera was found."),
        ("NotReadableError", "another program may hold it"),
        ("AbortError", "did not start (AbortError). Add files instead."),
    ],
)
def test_a_camera_that_does_not_start_is_explained(lab, error, text):
    script = """name => {
      const refuse = async () => { throw new DOMException("", name); };
      navigator.mediaDevices.getUserMedia = refuse;
    }"""
    lab.evaluate(script, error)
    lab.click("#camera")
    lab.locator("#see-error").filter(has_text=text).wait_for()
    assert lab.inner_text("#camera") == "Start the camera"


def test_without_https_there_is_no_camera(lab):
    lab.evaluate("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")
    lab.click("#camera")
    lab.locator("#see-error").filter(has_text="only over https").wait_for()


def test_a_file_that_is_no_image_is_named_and_the_others_are_taken(trained):
    frame = trained.frame
    before = images(frame)[0]
    text = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no image"}
    card(frame, 1).locator("[type=file]").set_input_files([text, jpeg("hammer_7")])
    card(frame, 1).get_by_text("notes.txt is no image that this browser can read").wait_for()
    assert images(frame)[0] == before + 1
    frame.locator("#try-file").set_input_files(text)
    frame.locator("#see-error").filter(has_text="notes.txt is no image").wait_for()


def test_what_is_too_little_to_train_on_is_explained(lab):

    def complaint(script):
        lab.evaluate(script)
        lab.click("#train")
        return lab.inner_text("#train-error")

    assert complaint("0") == "It takes at least two classes with images; none has any yet."
    put = """sizes => {
      const one = (index) => ({
        picture: document.createElement("canvas"), features: lab.unit([1, index]), edge: [index],
      });
      const filled = (size, index) => Array.from({length: size}, () => one(index));
      lab.put(sizes.map((size, index) => (
        {name: index > 1 ? "b" : "", samples: filled(size, index)}
      )));
    }"""
    assert "; only one has any." in complaint(f"({put})([5, 0])")
    assert "“Class 2” has 1 image, and needs 2 or more" in complaint(f"({put})([5, 1])")
    assert "Two classes are called “b”" in complaint(f"({put})([2, 2, 2, 2])")
    assert lab.locator("#result").is_hidden()
    lab.locator("#try-file").set_input_files(jpeg("hammer_7"))
    assert lab.inner_text("#see-error").startswith("Train it first")


def test_opened_from_a_file_it_says_what_to_do(browser, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(labs.page("teachable"), encoding="utf-8")
    with open_page(browser) as page:
        page.goto(path.as_uri())
        page.click("#load")
        page.locator("#start-error").filter(has_text="Run `make serve`").wait_for()
        assert page.inner_text("#load") == "Try again"


def test_a_network_that_does_not_arrive_can_be_asked_for_again(shared):
    page, frame = shared, fresh(shared)
    page.route("**/network.bin", lambda route: route.fulfill(status=503))
    frame.click("#load")
    frame.locator("#start-error").filter(has_text="network.bin answered 503").wait_for()
    page.unroute("**/network.bin")
    page.route("**/network.bin", lambda route: route.fulfill(body=b"short"))
    frame.click("#load")
    frame.locator("#start-error").filter(has_text="could not be loaded").wait_for()
    page.unroute("**/network.bin")


# ---- Ways back, keys and speech ----


def test_what_was_removed_comes_back(lab):
    lab.evaluate(FILLED)
    full = [2, 6, 10, 14, 18]
    card(lab, 2).locator(".thumb").nth(3).click()
    assert images(lab) == [2, 5, 10, 14, 18]
    assert "train again" in lab.inner_text("#stale")
    card(lab, 3).locator(".remove").click()
    assert images(lab) == [2, 5, 14, 18]
    assert spoken(lab, "Undo brings it back")
    lab.click("#over")
    assert lab.inner_text("#confirm-text") == (
        "Remove all classes and 39 images, and what was trained?"
    )
    lab.click("#no")
    assert images(lab) == [2, 5, 14, 18]
    lab.click("#over")
    lab.click("#yes")
    assert images(lab) == [0, 0]
    assert lab.locator("#result").is_hidden()
    for expected in ([2, 5, 14, 18], [2, 5, 10, 14, 18], full):
        lab.click("#undo")
        assert images(lab) == expected
    lab.locator("#undo[aria-disabled=true]").wait_for()


def test_everything_can_be_done_with_the_keyboard(trained):
    page, frame = trained.page, trained.frame
    before = images(frame)[0]
    card(frame, 1).get_by_role("textbox").focus()
    press_until(page, frame, "element.className === 'hold'")
    page.keyboard.down("Space")
    until(frame, f"lab.state().classes[0].samples.length >= {before + 2}")
    page.keyboard.up("Space")
    until(frame, "lab.state().recording === null")
    full = images(frame)[0]
    assert spoken(frame, f"has {full} images.")
    press_until(page, frame, "element.className === 'thumb'")
    page.keyboard.press("End")
    last = f"element.ariaLabel.startsWith('Remove image {full} of ')"
    assert frame.evaluate(f"(element => {last})(document.activeElement)")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert images(frame)[0] == full - 2
    assert frame.evaluate("document.activeElement.className") == "thumb"
    page.keyboard.press("Tab")  # the images of a class are one stop
    assert frame.evaluate("document.activeElement.ariaLabel") == "Name of class 2"


# ---- What the table and the hints are made of ----


def test_parts_and_edges_by_hand(lab):
    # Three images of class 0, six of class 1: three parts, of one and two neighbours.
    assert lab.evaluate("lab.parts([0, 1, 1, 1, 0, 1, 1, 1, 0], 2)") == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert lab.evaluate("lab.parts(Array(14).fill(0).map((_, i) => i % 2), 2)")[::2] == [
        0, 0, 1, 2, 2, 3, 4
    ]  # fmt: skip
    # In the other part, 8 is nearest to 1 and to 2, and 2 to 9 and to 8: always class 1.
    script = "lab.edgeAlone([[1], [9], [2], [8]], [0, 0, 1, 1], 2)"
    assert lab.evaluate(script) == 2
    assert lab.evaluate("lab.edgeAlone([[1], [2], [8], [9]], [0, 0, 1, 1], 2)") == 4


def test_the_regression_equals_gradient_descent_on_its_weights(lab):
    random = np.random.default_rng(4)
    labels = np.array([0, 2, 1, 1, 0, 2, 2])
    vectors = random.normal(size=(7, 5)) + 2 * np.eye(3, 5)[labels]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    x, y = np.c_[vectors, np.ones(7)], np.eye(3)[labels]
    w, speed = np.zeros((6, 3)), 0
    for _ in range(300):
        p = np.exp(x @ w) / np.exp(x @ w).sum(axis=1, keepdims=True)
        speed = 0.9 * speed - (x.T @ (p - y) / 7 + 1e-4 * w)
        w = w + speed
    script = "([vectors, labels]) => [...lab.fit(lab.products(vectors), labels, 3)]"
    shares = np.reshape(lab.evaluate(script, [vectors.tolist(), labels.tolist()]), (7, 3))
    np.testing.assert_allclose(x.T @ shares, w, atol=1e-9)
    assert ((x @ w).argmax(axis=1) == labels).all()


def test_hints_name_what_is_wrong(lab):
    lab.evaluate(FILLED)
    said = lab.inner_text("#hints")
    assert "by the outer edge of the images alone, without any network, 50 of 50" in said
    assert "come from one recording" in said
    assert f"“{'W' * 24}” has 18 images and “hammer” 2" in said
    assert "With 2 images of a class" in said
    rows = [row.inner_text().split("\t") for row in lab.locator("#matrix tr").all()]
    table = np.array([row[1:] for row in rows[1:]], int)
    assert [row[0] for row in rows[1:]] == rows[0][1:]
    assert table.sum(axis=1).tolist() == [2, 6, 10, 14, 18]
    wrong = table.sum() - np.trace(table)
    assert f"names {50 - wrong} of 50 rightly" in lab.inner_text("#summary")
    assert lab.locator(".mistake").count() == wrong > 0


# ---- What the page is made of ----


def runtime_files():
    """Name -> sha256 of the files that SOURCE.txt lists."""
    text = (RUNTIME / "SOURCE.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"(?m)^(\S+) .* ([0-9a-f]{64})$", text))


def test_the_runtime_is_the_one_that_was_fetched():
    assert len(runtime_files()) == 3
    for name, expected in runtime_files().items():
        assert hashlib.sha256((RUNTIME / name).read_bytes()).hexdigest() == expected, name


def test_the_page_knows_the_network_it_loads(lab):
    assert lab.evaluate("lab.STAGES") == [list(row) for row in EFFICIENTNET_STAGES[:6]]
    network = len(teachable.packed_network())
    runtime = sum((RUNTIME / name).stat().st_size for name in runtime_files())
    assert lab.evaluate("lab.BYTES") == {"network": network, "all": network + runtime}


def test_the_network_is_packed_as_documented():
    """The stem by hand: 3 x 3 x 3 inputs, 32 channels, 16 bits."""
    packed = teachable.packed_network()
    scale, bias = np.frombuffer(packed, "<f4", 64).reshape(2, 32)
    whole = np.frombuffer(packed, "<i2", 27 * 32, offset=256).reshape(3, 3, 3, 32)
    with np.load(data.asset("efficientnet_lite0.npz")) as arrays:
        gamma, beta, mean, variance = (
            arrays[f"stem_bn/{name}"].astype(np.float32)
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        kernel = arrays["stem_conv/kernel"]
    factor = gamma / np.sqrt(variance + 1e-3)
    np.testing.assert_allclose(
        scale * whole, kernel * factor, atol=1e-3 * np.abs(kernel * factor).max()
    )
    np.testing.assert_allclose(bias, beta - mean * factor, rtol=1e-5)
    assert np.abs(whole).max(axis=(0, 1, 2)).tolist() == [
        0 if dead else 32767 for dead in scale == 0
    ]


def test_the_example_holds_nothing_but_what_is_public():
    licences = {row["name"]: row["licence"] for row in data.photo_table()}
    for photo in (name for names in teachable.EXAMPLE.values() for name in names):
        assert licences[photo].startswith(("public domain", "CC0")), photo
    found = teachable.files()
    names = json.loads(found["example.json"])
    assert sorted(found) == sorted(
        ["network.bin", "example.json", *(name for row in names.values() for name in row)]
    )


def test_the_frame_on_the_site_is_as_high_as_the_lab_asks():
    page = (ROOT / "book" / "teachable.md").read_text(encoding="utf-8")
    asked = re.search(r'"lab-height" content="(\d+)"', labs.page("teachable")).group(1)
    assert f"height: {asked}px" in page
    assert re.search("<title>(.*)</title>", labs.page("teachable")).group(1) in page


def test_embed_leads_to_the_page_on_the_site():
    shown = BeautifulSoup(labs.embed("teachable").data, "html.parser")
    assert shown.iframe is None
    assert shown.a["data-course-page"] == "book/teachable.html"
    assert re.fullmatch(r"https://[\w-]+\.github\.io/[\w.-]+/book/teachable\.html", shown.a["href"])
    assert labs.embed("teachable", height=300).data == labs.embed("teachable").data


# ---- The model in Keras ----


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"format": "teachable 9"}, "format 'teachable 9'"),
        ({"bias": None}, r"weights \(192, 2\) and \(\) of 2 classes"),
        ({"classes": ["a", "b", "c"]}, r"weights \(192, 2\) and \(2,\) of 3 classes"),
        ({"kernel": [["a", "b"]]}, "something else: ValueError"),
        ({"classes": 2}, "something else: TypeError"),
    ],
)
def test_another_file_is_refused(tmp_path, changes, found):
    saved = {"format": FORMAT, "classes": ["a", "b"], "kernel": [[0, 1]] * 192, "bias": [0, 1]}
    file = tmp_path / "model.json"
    file.write_text(json.dumps(saved | changes), encoding="utf-8")
    with pytest.raises(ValueError, match=f"model.json must be a model that .* got {found}"):
        pretrained.teachable_machine(file)
    for text in ("no JSON", "[]", "{}"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="got something else"):
            pretrained.teachable_machine(file)
