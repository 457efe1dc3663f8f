"""The attack lab computes what the package computes, and shows it to mouse, finger and keys."""

import json
import re

import keras
import numpy as np
import pytest
from labs_helpers import embedded, fresh, press_until, spoken, until
from recipe_modules import imported

from course_utils import adversarial, data, labs

pytest_plugins = "lab_fixtures"
LAB = "attack"  # what `lab` is

PAGE = labs.page(LAB)
ARITHMETIC = re.search(
    r"// ---- Arithmetic: [^\n]* course_utils\.adversarial .*?(?=window\.lab)",
    PAGE,
    flags=re.DOTALL,
).group()
FORMS = [("once", 1, 1), ("ten", 10, 4)]  # name, steps, and what part of epsilon one of them is


def constant(name):
    return re.search(rf"(?m)^const {name} = (.*);$", PAGE).group(1)


@pytest.fixture(scope="module")
def recipe():
    with imported("train_attack_lab") as module:
        yield module


@pytest.fixture(scope="module")
def networks(recipe):
    """Keras models of what the page carries."""
    return {
        name: recipe.unpacked(recipe.base64.urlsafe_b64decode(constant(name.upper())))
        for name in ("plain", "robust")
    }


@pytest.fixture(scope="module")
def garments():
    """(10, 28, 28, 1) images of the page, as the package has them; the label is the position."""
    _, (x, y) = data.fashion_mnist()
    chosen = np.array(json.loads(constant("INDICES")))
    assert y[chosen].tolist() == list(range(10))
    return x[chosen]


def softmax(logits):
    return np.array(keras.ops.softmax(np.asarray(logits, "float64")))


def gradients(model, images, labels):
    """By each pixel, as the package's attacks take it."""
    return adversarial.attacks._gradient(model, images.shape, compiled=False)(images, labels)


def evaluate(frame, script, argument=None):
    return np.array(frame.evaluate(script, argument))


# ---- Arithmetic ----


def test_the_page_holds_the_packages_garments(lab, garments):
    found = evaluate(lab[1], "lab.images.map(image => [...image])")
    np.testing.assert_allclose(found, garments.reshape(10, -1), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["plain", "robust"])
def test_the_network_equals_keras(lab, networks, garments, name):
    rng = np.random.default_rng(0)
    images = np.concatenate([garments, rng.random((6, 28, 28, 1), "float32")])
    script = f"""images => images.map(image => {{
      const {{logits}} = lab.forward(lab.networks.{name}, Float64Array.from(image));
      return [[...logits], lab.softmax(logits)];
    }})"""
    found = evaluate(lab[1], script, images.reshape(16, -1).tolist())
    logits = networks[name].predict(images, verbose=0)
    np.testing.assert_allclose(found[:, 0], logits, rtol=0, atol=2e-4)
    np.testing.assert_allclose(found[:, 1], softmax(logits), rtol=0, atol=1e-4)


def agree(found, expected):
    """Whether gradients (N, pixels) are equal as float32 computes, and in all but tiny signs."""
    size = np.abs(expected).max(axis=1, keepdims=True)
    large = np.abs(expected) > 1e-5 * size
    return bool(
        np.all(np.abs(found - expected) <= 1e-5 * size)
        and np.all(np.sign(found)[large] == np.sign(expected)[large])
        and large.mean() > 0.8  # the robust network does not look at some of the black pixels
    )


@pytest.mark.parametrize("name", ["plain", "robust"])
def test_the_gradient_equals_the_packages(lab, networks, garments, name):
    # Of the right label, and of one that the network is far from.
    for shift in (0, 3):
        labels = (np.arange(10) + shift) % 10
        script = f"""labels => labels.map((label, i) => [
            ...lab.gradientOf(lab.networks.{name}, lab.images[i], label)])"""
        found = evaluate(lab[1], script, labels.tolist())
        assert agree(found, gradients(networks[name], garments, labels).reshape(10, -1))


def test_the_gradient_is_the_slope_of_the_loss(lab):
    script = """() => {
      const net = lab.networks.plain, image = lab.images[6].map(value => 0.3 + 0.4 * value);
      const loss = (image) => {
        const {logits} = lab.forward(net, image), exps = [...logits].map(Math.exp);
        return Math.log(exps.reduce((a, b) => a + b) - exps[2]) - logits[2];
      };
      return [...lab.gradientOf(net, image, 2)].map((slope, i) => {
        const [up, down] = [1e-6, -1e-6].map(step => loss(image.with(i, image[i] + step)));
        return [slope, (up - down) / 2e-6];
      });
    }"""
    slopes, differences = evaluate(lab[1], script).T
    close = np.abs(slopes - differences) < 1e-5 * np.abs(slopes).max()
    assert close.mean() > 0.99  # but for what lies at a corner of a ReLU
    assert np.abs(slopes).max() > 0.1


@pytest.mark.parametrize(("method", "steps", "part"), FORMS)
@pytest.mark.parametrize("goal", [-1, 4])
def test_attacks_equal_the_packages(lab, networks, garments, method, steps, part, goal):
    labels = np.arange(10) if goal < 0 else np.full(10, goal)
    for name, model in networks.items():
        for epsilon in (3, 16):
            script = f"""() => lab.images.map((_, i) =>
              [...lab.attacked("{name}", i, {epsilon}, "{method}", {goal}, 1)])"""
            found = evaluate(lab[1], script)
            budget = epsilon / 255
            expected = adversarial.pgd(
                model, garments, labels, budget, steps, budget / part, targeted=goal >= 0
            ).reshape(10, -1)
            assert np.abs(found - garments.reshape(10, -1)).max() <= budget + 1e-6
            same = (np.abs(found - expected) < 1e-6).mean()
            assert same > (0.999 if method == "once" else 0.985)  # a sign may turn on the way
            shares = evaluate(
                lab[1],
                f"""images => images.map(image => lab.softmax(
                    lab.forward(lab.networks.{name}, Float64Array.from(image)).logits))""",
                found.tolist(),
            )
            by_package = softmax(model(expected.reshape(-1, 28, 28, 1)))
            assert np.abs(shares - by_package).max() < 0.02


def test_fgsm_is_one_step(lab, networks, garments):
    script = """() => lab.images.map((_, i) => [...lab.attacked("plain", i, 7, "once", -1, 1)])"""
    expected = adversarial.fgsm(networks["plain"], garments, np.arange(10), 7 / 255)
    steps = gradients(networks["plain"], garments, np.arange(10)).reshape(10, -1)
    large = np.abs(steps) > 1e-4 * np.abs(steps).max(axis=1, keepdims=True)
    found = evaluate(lab[1], script)
    np.testing.assert_allclose(found[large], expected.reshape(10, -1)[large], rtol=0, atol=1e-6)


def test_random_signs_are_a_control_of_the_same_size(lab):
    script = "seed => [...lab.randomSigns(seed)]"
    signs = evaluate(lab[1], script, 1)
    assert set(signs) == {-1, 1}
    assert abs(signs.mean()) < 0.1
    assert signs.tolist() == evaluate(lab[1], script, 1).tolist()
    assert 0.4 < (signs == evaluate(lab[1], script, 2)).mean() < 0.6
    found = evaluate(lab[1], '[...lab.attacked("plain", 8, 12, "random", 3, 1)]')
    image = evaluate(lab[1], "[...lab.images[8]]")
    expected = np.clip(image + 12 / 255 * signs, 0, 1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


@pytest.fixture(scope="module")
def three(networks, garments):
    """What the package makes of three garments with ten steps towards a class."""
    model, images, labels = networks["plain"], garments[[1, 6, 8]], np.array([4, 4, 4])
    attacked = adversarial.pgd(model, images, labels, 9 / 255, 10, 3 / 255, targeted=True)
    return {
        "images": images.reshape(3, -1).tolist(),
        "logits": model.predict(images, verbose=0),
        "slopes": gradients(model, images, labels).reshape(3, -1),
        "attacked": attacked.reshape(3, -1),
    }


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("value * scale[i % channels]", "value * scale[Math.floor(i / count)]"),
        ("before: samePadding(side, size, 2)[0]", "before: samePadding(side, size, 2)[1]"),
        ("y >= side) continue", "y >= side - 1) continue"),
        ("(i * size + j) * from * to", "(j * size + i) * from * to"),
        ("output[i] = bias[i % to]", "output[i] = 0"),
        ("output[i] = Math.max(output[i], 0)", "output[i] = output[i]"),
        ("Float64Array.from(dense.bias)", "new Float64Array(CLASSES)"),
        ("active[i] > 0 ? value : 0", "value"),
        ("before[source + a] += sum", "before[source + a] = sum"),
        ("others[label] = -1", "others[label] = 0"),
        ("k === label ? -Infinity : logit", "logit"),
        ("targeted ? -size : size", "size"),
        ("gradientOf(network, found, label)", "gradientOf(network, image, label)"),
        ("value + way * Math.sign", "image[i] + way * Math.sign"),
        ("- image[i], -epsilon, epsilon)", "- image[i], -2 * epsilon, 2 * epsilon)"),
        (", -epsilon, epsilon), 0, 1)", ", -epsilon, epsilon), -1, 2)"),
        ("Math.sign(gradient[i])", "gradient[i]"),
    ],
)
def test_a_wrong_formula_would_be_noticed(lab, three, right, wrong):
    """Each is told by one of the comparisons above: logits, gradients, attacked images."""
    assert ARITHMETIC.count(right) == 1
    for code, is_right in ((ARITHMETIC, True), (ARITHMETIC.replace(right, wrong), False)):
        script = f"""images => {{
          {code}
          const net = unpack({constant("PLAIN")});
          return images.map(given => {{
            const image = Float64Array.from(given);
            return [forward(net, image).logits, gradientOf(net, image, 4),
              attack(net, image, 4, 9 / 255, true, 10, 3 / 255)].map(part => [...part]);
          }});
        }}"""
        found = zip(*lab[1].evaluate(script, three["images"]), strict=True)
        logits, slopes, attacked = map(np.array, found)
        same = (
            np.abs(logits - three["logits"]).max() < 2e-4
            and agree(slopes, three["slopes"])
            and (np.abs(attacked - three["attacked"]) < 1e-6).mean() > 0.985
        )
        assert bool(same) is is_right


# ---- What is stored ----


def test_both_networks_know_the_garments_and_more(networks, garments):
    _, (x, y) = data.fashion_mnist()
    for name, lowest in (("plain", 0.86), ("robust", 0.84)):
        found = networks[name].predict(x, verbose=0).argmax(axis=1)
        assert np.mean(found == y) > lowest
        assert networks[name].predict(garments, verbose=0).argmax(axis=1).tolist() == [*range(10)]


def test_the_curves_are_those_of_the_networks(recipe, networks, monkeypatch):
    monkeypatch.setattr(recipe, "EPSILONS", (8,))
    curves, budgets = json.loads(constant("CURVES")), json.loads(constant("EPSILONS"))
    _, (x, y) = data.fashion_mnist()
    for name, model in networks.items():
        found = recipe.accuracies(model, x, y)
        for attack, row in found.items():
            assert row == pytest.approx([curves[name][attack][budgets.index(8)]], abs=0.3)
    # What the page's reader is to see.
    at_8 = {name: curves[name]["once"][budgets.index(8)] for name in curves}
    assert at_8["plain"] < 50 < 75 < at_8["robust"]
    assert curves["plain"]["random"][budgets.index(8)] > 80
    assert all(len(row) == len(budgets) for rows in curves.values() for row in rows.values())


# ---- The prediction, then the network ----


def guess(frame, epsilon):
    frame.fill("#epsilon", str(epsilon))
    frame.click("#guess")


def finished(frame):
    until(frame, "wanted().every(complete)", seconds=60)


def limits(frame):
    return dict(
        zip(
            *(frame.locator(f"#limits {tag}").all_inner_texts() for tag in ("dt", "dd")),
            strict=True,
        )
    )


def garment(frame, label):
    frame.locator(f"#garments [value='{label}']").check(force=True)


def test_the_network_is_covered_until_one_has_guessed(lab):
    _, frame = lab
    for hidden in ("#answers", "#verdict", "#curves"):
        assert not frame.is_visible(hidden)
    assert frame.is_visible("#covered")
    assert limits(frame)["Smallest ε that fools it"] == "covered"
    marks = frame.locator("#garments b").all_inner_texts()
    assert marks == ["?"] * 10
    frame.fill("#epsilon", "20")
    assert spoken(frame, "ε = 20/255, one step. The network’s answer is covered.")
    frame.click("#notice")
    assert spoken(frame, "a human notices from 20/255 on.")
    assert not frame.is_visible("#answers")
    guess(frame, 30)
    assert spoken(frame, "Your guess: 30/255. Smallest ε found:")
    assert frame.is_visible("#answers")
    finished(frame)
    found = limits(frame)
    assert found["A human notices from"] == "20/255"
    assert found["Your guess"] == "30/255"
    assert frame.locator("#garments b").all_inner_texts()[:9] == ["?"] * 9
    garment(frame, 1)
    assert frame.is_visible("#covered")
    assert limits(frame)["Your guess"] == "not said"
    garment(frame, 9)
    assert frame.is_visible("#answers")
    frame.uncheck("#ask")
    garment(frame, 1)
    assert frame.is_visible("#answers")
    assert "?" not in frame.locator("#garments b").all_inner_texts()
    frame.click("#clear")
    assert frame.is_visible("#covered")
    assert frame.is_checked("#ask")


@pytest.mark.parametrize("network", ["plain", "robust"])
def test_the_smallest_epsilon_is_the_packages(lab, networks, garments, network):
    _, frame = lab
    frame.uncheck("#ask")
    frame.locator(f"#network [value={network}]").check(force=True)
    for label in (0, 9):
        garment(frame, label)
        finished(frame)
        found, image = limits(frame)["Smallest ε that fools it"], garments[[label]]
        holds = found.startswith("none up to 48")
        last = 48 if holds else int(found.removesuffix("/255"))
        budgets = np.linspace(1, last, min(last, 6)).astype(int)
        answers = [
            networks[network](adversarial.fgsm(networks[network], image, [label], budget / 255))
            for budget in budgets
        ]
        right = np.argmax(answers, axis=-1)[:, 0] == label
        assert right.tolist() == [True] * (len(budgets) - 1) + [holds]


def test_guess_and_what_a_human_notices_are_compared(lab):
    _, frame = lab
    frame.uncheck("#ask")
    finished(frame)
    fall = int(limits(frame)["Smallest ε that fools it"].split("/")[0])
    assert frame.inner_text("#compare") == ""
    frame.fill("#epsilon", str(fall + 1))
    frame.click("#notice")
    assert "no human notices" in frame.inner_text("#compare")
    frame.fill("#epsilon", str(fall))
    frame.click("#notice")
    assert "before it is fooled" in frame.inner_text("#compare")
    frame.locator("#method [value=random]").check(force=True)
    finished(frame)
    if limits(frame)["Smallest ε that fools it"].startswith("none"):
        assert "the network’s answer stays" in frame.inner_text("#compare")


# ---- What one sees ----


def shown(frame):
    """The names in the list of answers, and their shares from 0 to 1."""
    shares = frame.locator("#answers .share").all_inner_texts()
    names = frame.locator("#answers li > span:first-child").all_inner_texts()
    return names, [float(share.strip("<> %")) / 100 for share in shares]


def test_answers_pictures_and_words_follow_epsilon(lab):
    _, frame = lab
    frame.uncheck("#ask")
    assert "still says Ankle boot" in frame.inner_text("#verdict")
    assert "what would leave this range is clipped" in frame.inner_text("#clipped")
    drawn = "['clean', 'change', 'attacked'].map(id => byId(id).toDataURL())"
    before = frame.evaluate(drawn)
    assert before[0] == before[2]
    frame.fill("#epsilon", "24")
    after = frame.evaluate(drawn)
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert after[2] != before[2]
    names, shares = shown(frame)
    assert names == list(data.FASHION_CLASSES)
    exact = frame.evaluate("""lab.softmax(lab.forward(lab.networks.plain,
        lab.attacked("plain", 9, 24, "once", -1, 1)).logits)""")
    np.testing.assert_allclose(shares, exact, rtol=0, atol=0.0101)
    first = data.FASHION_CLASSES[int(np.argmax(exact))]
    assert frame.inner_text("#verdict").startswith(f"The plain network says {first}, ")
    assert frame.inner_text("#answers .first").startswith(first)
    assert frame.inner_text("#answers .right").startswith("Ankle boot")
    assert spoken(frame, "ε = 24/255, one step. The plain network says")


def test_what_is_clipped_is_counted(lab):
    _, frame = lab
    frame.fill("#epsilon", "10")
    found = evaluate(lab[1], '[...lab.attacked("plain", 9, 10, "once", -1, 1)]')
    image = evaluate(lab[1], "[...lab.images[9]]")
    clipped = int(np.sum(np.abs(found - image) < 10 / 255 - 1e-9))
    assert f"{clipped} of 784 pixels stand at one of its ends" in frame.inner_text("#clipped")
    assert 100 < clipped < 600
    # White where nothing changes, orange where it gets brighter by epsilon.
    colours = frame.evaluate("[...byId('change').getContext('2d').getImageData(0, 0, 28, 28).data]")
    colours = np.reshape(colours, (784, 4))[:, :3]
    change = found - image
    assert (colours[change == 0] == 255).all()
    assert (colours[change > 10 / 255 - 1e-9] == [213, 94, 0]).all()
    assert (colours[change < -10 / 255 + 1e-9] == [0, 114, 178]).all()


def test_a_target_is_chosen_and_reached(lab):
    _, frame = lab
    frame.uncheck("#ask")
    garment(frame, 6)
    assert frame.locator("#goal option[value='6']").is_disabled()
    frame.select_option("#goal", "4")
    frame.locator("#method [value=ten]").check(force=True)
    frame.fill("#epsilon", "24")
    assert "says Coat" in frame.inner_text("#verdict")
    assert "as the attack wants" in frame.inner_text("#verdict")
    assert "here without a target" in frame.inner_text("#all-text")
    garment(frame, 1)
    frame.fill("#epsilon", "48")
    frame.locator("#method [value=once]").check(force=True)
    frame.select_option("#goal", "5")
    verdict = frame.inner_text("#verdict")
    assert "still says" in verdict or "the attack wants" in verdict
    garment(frame, 5)  # nobody attacks towards what is right anyway
    assert frame.evaluate("lab.state.goal") == -1
    frame.locator("#method [value=random]").check(force=True)
    assert frame.locator("#goal").is_disabled()
    frame.click("#signs")
    assert frame.evaluate("lab.state.seed") == 2


def test_the_robust_network_holds_longer(lab):
    _, frame = lab
    frame.uncheck("#ask")
    frame.fill("#epsilon", "12")
    finished(frame)
    plain = frame.locator("#garments b").all_inner_texts()
    frame.locator("#network [value=robust]").check(force=True)
    finished(frame)
    robust = frame.locator("#garments b").all_inner_texts()
    assert set(plain + robust) == {"✓", "✗"}
    assert plain.count("✗") >= robust.count("✗") + 4
    labels = [
        frame.locator("#garments input").nth(i).get_attribute("aria-label") for i in range(10)
    ]
    assert labels[0].startswith("T-shirt/top, ")
    assert [label.split(", ")[1] for label in labels] == [
        {"✓": "recognised", "✗": "fooled"}[mark] for mark in robust
    ]
    assert "robust network" in frame.inner_text("#verdict")


def test_curves_are_told_to_whoever_does_not_see_them(lab):
    _, frame = lab
    frame.uncheck("#ask")
    finished(frame)
    own = frame.get_attribute("#own", "aria-label")
    assert own.count(" at 48") == 3
    everything = frame.get_attribute("#all", "aria-label")
    assert "plain: 87 % at 0" in everything
    frame.locator("#method [value=random]").check(force=True)
    finished(frame)
    assert frame.get_attribute("#own", "aria-label").count(" at 48") == 2
    assert not frame.locator("#control").is_visible()


def is_coloured(frame, chart, epsilon, share, colour):
    """Whether a chart has a colour, such as "0072b2", at a point of it."""
    script = """([id, epsilon, share]) => {
      const canvas = document.querySelector(`#${id} canvas`), {width, height} = canvas;
      const x = 44 + epsilon / 48 * (width - 44 - 12);
      const y = 10 + (1 - share) * (height - 38 - 10);
      return [...canvas.getContext("2d").getImageData(Math.round(x), Math.round(y), 1, 1).data];
    }"""
    found = frame.evaluate(script, [chart, epsilon, share])[:3]
    return np.abs(np.subtract(found, list(bytes.fromhex(colour)))).max() < 12


def test_the_curves_go_through_what_was_computed(lab):
    _, frame = lab
    frame.uncheck("#ask")
    finished(frame)
    stored, budgets = json.loads(constant("CURVES")), json.loads(constant("EPSILONS"))
    for name, colour in (("plain", "0072b2"), ("robust", "d55e00")):
        for epsilon in (12, 24, 32):
            share = stored[name]["once"][budgets.index(epsilon)] / 100
            assert is_coloured(frame, "all", epsilon, share, colour)
            share = frame.evaluate(f'lab.series("{name}", 9).shares[{epsilon}][9]')
            assert is_coloured(frame, "own", epsilon, share, colour)
    frame.fill("#epsilon", "30")
    assert is_coloured(frame, "own", 30, 0.9, "85909b")
    assert is_coloured(frame, "all", 30, 0.9, "85909b")
    frame.click("#notice")
    frame.fill("#epsilon", "18")
    # A dotted line in the colour of text, where one has said.
    dots = [is_coloured(frame, "own", 30, share, "1d2329") for share in np.linspace(0.8, 0.95, 30)]
    assert 0 < sum(dots) < 30
    assert frame.inner_text("#lines") == "ε now (grey), where a human notices (dotted)."
    frame.click("#guess")
    assert frame.inner_text("#lines").endswith("(dotted), your guess (dashed).")


# ---- Keys, finger, ways back ----


def test_everything_can_be_done_with_the_keyboard(lab):
    page, frame = lab
    press_until(page, frame, "element.name === 'garments'")
    page.keyboard.press("ArrowRight")  # from the last to the first
    assert spoken(frame, "is covered")
    assert frame.evaluate("lab.state.garment") == 0
    press_until(page, frame, "element.name === 'method'")
    page.keyboard.press("ArrowRight")
    assert frame.evaluate("lab.state.method") == "ten"
    press_until(page, frame, "element.id === 'goal'")
    press_until(page, frame, "element.id === 'epsilon'")
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert frame.get_attribute("#epsilon", "aria-valuetext") == "5/255"
    press_until(page, frame, "element.id === 'guess'")
    page.keyboard.press("Enter")
    assert spoken(frame, "Your guess: 5/255.")
    press_until(page, frame, "element.id === 'reset'")
    page.keyboard.press("Enter")
    assert frame.evaluate("[lab.state.garment, lab.state.method, lab.state.epsilon]") == [
        9,
        "once",
        0,
    ]
    assert limits(frame)["Your guess"] == "not said"
    garment(frame, 0)
    assert limits(frame)["Your guess"] == "5/255"  # reset leaves the answers


def test_one_slides_with_a_finger(browser, tmp_path):
    with embedded(browser, tmp_path, LAB, width=360, has_touch=True) as (page, frame):
        frame.locator("#epsilon").scroll_into_view_if_needed()
        box = frame.locator("#epsilon").bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert abs(frame.evaluate("lab.state.epsilon") - 24) <= 1
        frame.locator("#garments .option").first.tap()
        assert frame.evaluate("lab.state.garment") == 0


def test_a_step_of_the_slider_is_quick(lab):
    _, frame = lab
    seconds = frame.evaluate(
        """() => {
          const start = performance.now();
          for (let i = 0; i < 10; i++) lab.attacked("plain", i, 8, "ten", -1, 1);
          return (performance.now() - start) / 1e4;
        }"""
    )
    assert seconds < 0.2  # of one image; a few milliseconds where nothing else runs


@pytest.mark.parametrize("width", [280, 360])
def test_the_pictures_are_large_enough_on_a_phone(shared, width):
    frame = fresh(shared, width=width)
    assert frame.locator("#attacked").bounding_box()["width"] >= 200
    assert frame.locator("#clean").bounding_box()["width"] >= 100
