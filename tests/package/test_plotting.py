"""Figures hold what they should, where they should; how they look is for eyes to judge."""

import itertools
import math
import re

import matplotlib

matplotlib.use("Agg")

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from cheaper import untraced
from matplotlib.colors import to_hex, to_rgb

from course_utils import convolution, notebook, plotting

TWO_LINES = "predicted: ankle boot\ntruth: sneaker"
CURVES = {"loss": [3.0, 2.0, 1.5], "accuracy": [0.2, 0.5, 0.6], "val_accuracy": [0.3, 0.4, 0.7]}
BOXES = np.array([[3, 5, 12, 20], [1, 2, 30, 9]])
CALLS = {
    "draw_boxes": lambda **options: plotting.draw_boxes(BOXES, [2, 0], [0.5, 0.75], **options),
    "show_diagram": lambda **options: plotting.show_diagram(
        {"a": (0, 0, "in"), "b": (1, 0.5, "out")}, [["a", "b"]], **options
    ),
    "show_images": lambda **options: plotting.show_images(np.zeros((3, 5, 7)), **options),
    "show_numbers": lambda **options: plotting.show_numbers(np.eye(3, 5), **options),
    "show_windows": lambda **options: plotting.show_windows(13, 6, 5, **options),
    "learning_curves": lambda **options: plotting.learning_curves(CURVES, **options),
}


@pytest.fixture(autouse=True)
def figures():
    """Every test starts without figures, in the course's style, and closes its own."""
    with plt.rc_context(notebook.STYLE):
        plt.close("all")
        yield
        plt.close("all")


def drawn(ax):
    """Renders the figure, warnings being errors, and returns its pixels."""
    with untraced():
        ax.figure.canvas.draw()
    return np.asarray(ax.figure.canvas.buffer_rgba())


def laid_out(figure):
    """Settles where everything lies, without painting it."""
    with untraced():
        figure.draw_without_rendering()


def inside(inner, outer, tolerance=1.0):
    """Whether one box of a rendered figure lies in another, in pixels."""
    return (
        outer.x0 - tolerance <= inner.x0 <= inner.x1 <= outer.x1 + tolerance
        and outer.y0 - tolerance <= inner.y0 <= inner.y1 <= outer.y1 + tolerance
    )


def first(returned):
    """The Axes that a function returned, or the first of them."""
    return np.ravel(returned)[0]


@pytest.mark.parametrize("name", CALLS)
class TestEveryFunction:
    def test_makes_one_figure(self, name):
        ax = first(CALLS[name]())
        assert plt.get_fignums() == [ax.figure.number]
        assert drawn(ax)[..., :3].min() < 200  # something is there

    def test_draws_on_the_given_axes(self, name):
        figure, axes = plt.subplots(2, 2)
        returned = CALLS[name](ax=axes[1, 0])
        if name == "show_images":
            assert [*returned] == axes[1, 0].child_axes
        else:
            assert returned is axes[1, 0]
        assert plt.get_fignums() == [figure.number]
        for other in (axes[0, 0], axes[0, 1], axes[1, 1]):
            assert [*other.lines, *other.images, *other.patches, *other.child_axes] == []
        laid_out(figure)

    def test_looks_the_same_every_time(self, name):
        pictures = [drawn(first(CALLS[name]())) for _ in range(2)]
        np.testing.assert_array_equal(*pictures)

    def test_without_the_style_of_the_course(self, name):
        with plt.rc_context(matplotlib.rcParamsDefault):
            drawn(first(CALLS[name]()))


def shown(axes):
    """The array of each picture of a grid."""
    return [ax.images[0].get_array() for ax in axes]


class TestShowImages:
    @pytest.mark.parametrize("count", [1, 5, 9])
    @pytest.mark.parametrize("channels", [(), (1,), (3,)])
    def test_shows_every_image_once(self, count, channels):
        images = np.random.default_rng(0).random((count, 5, 7, *channels))
        pictures = shown(plotting.show_images(images))
        assert len(pictures) == count
        for picture, image in zip(pictures, images, strict=True):
            np.testing.assert_array_equal(picture, image.reshape(picture.shape))

    def test_images_of_all_sizes_and_kinds(self):
        images = [
            np.zeros((5, 7)),
            np.ones((9, 4, 1)),
            np.zeros((1, 1, 3)),
            np.zeros((2, 30), "u1"),
            np.eye(3, 4, dtype=bool),
            np.ones((6, 8, 3), bool),
            keras.ops.zeros((3, 2, 1)),
        ]
        axes = plotting.show_images(images)
        shapes = [(5, 7), (9, 4), (1, 1, 3), (2, 30), (3, 4), (6, 8, 3), (3, 2)]
        assert [picture.shape for picture in shown(axes)] == shapes
        drawn(axes[0])

    @pytest.mark.parametrize("shape", [(3, 4), (3, 4, 1), (3, 4, 3)])
    def test_the_type_says_what_is_white(self, shape):
        cases = [(np.uint8(1), 1), (np.uint8(51), 51), (np.uint8(255), 255)]
        cases += [(True, 255), (False, 0), (np.float32(0.2), 51), (1.7, 255), (-3.0, 0)]
        axes = plotting.show_images([np.full(shape, value) for value, _ in cases], columns=4)
        pixels = drawn(axes[0])
        for ax, (value, brightness) in zip(axes, cases, strict=True):
            x, y = ax.transData.transform((1, 2)).astype(int)
            found = pixels[len(pixels) - 1 - y, x, :3]
            assert found.tolist() == [brightness] * 3, value

    def test_the_grey_values_that_a_reader_asks_for(self):
        images = [np.array([[50, 150]], "u1"), np.array([[0.25, 0.5]])]
        for limits, expected in [
            ("full", [(0, 255), (0, 1)]),
            ((-1, 3), [(-1, 3)] * 2),
            (np.array([0, 200]), [(0, 200)] * 2),
            (None, [(50, 150), (0.25, 0.5)]),
        ]:
            pictures = [ax.images[0] for ax in plotting.show_images(images, limits=limits)]
            assert [picture.get_clim() for picture in pictures] == expected
            assert {picture.get_cmap().name for picture in pictures} == {"gray"}

    @pytest.mark.parametrize("own_axes", [True, False])
    def test_one_draws_on_each_image_in_its_pixels(self, own_axes):
        ax = plt.subplots(1, 3)[1][1] if own_axes else None
        images = np.zeros((3, 40, 30, 3))
        axes = plotting.show_images(images, titles="abc", ax=ax)
        assert axes.shape == (3,)
        axes[0].figure.suptitle("a title")
        # A box around rows 10 to 19 and columns 5 to 24, and one that leaves the image.
        axes[1].add_patch(plt.Rectangle((4.5, 9.5), 20, 10, fill=False, color="red"))
        axes[1].add_patch(plt.Rectangle((25, 35), 90, 90, fill=False, color="red"))
        axes[1].plot([-50, 50], [-7, 70])
        axes[1].imshow(np.eye(4), extent=(-0.5, 29.5, 39.5, -0.5), alpha=0.5)
        laid_out(axes[0].figure)
        assert [one.get_title() for one in axes] == ["a", "b", "c"]
        for one in axes:
            assert (one.get_xlim(), one.get_ylim()) == ((-0.5, 29.5), (39.5, -0.5))
        frame = axes[1].patches[0].get_window_extent()
        whole = axes[1].get_window_extent()
        share = np.subtract(frame.p0, whole.p0) / whole.size
        np.testing.assert_allclose(share, (5 / 30, 20 / 40), atol=1e-6)

    def test_titles(self):
        axes = plotting.show_images(np.zeros((3, 5, 7)), titles=["one", "two\nlines", 3])
        assert [ax.get_title() for ax in axes] == ["one", "two\nlines", "3"]

    @pytest.mark.parametrize(("columns", "rows"), [(1, 7), (3, 3), (np.int64(7), 1), (9, 1)])
    def test_columns(self, columns, rows):
        axes = plotting.show_images(np.zeros((7, 5, 4)), columns=columns)
        laid_out(axes[0].figure)
        corners = [ax.get_window_extent().min.round() for ax in axes]
        assert len({left for left, _ in corners}) == min(columns, 7)
        assert len({bottom for _, bottom in corners}) == rows
        assert corners == sorted(corners, key=lambda corner: (-corner[1], corner[0]))

    @pytest.mark.parametrize(
        ("count", "shape", "title"),
        [
            (1, (28, 28), None),
            (1, (213, 320, 3), TWO_LINES),
            (5, (28, 28), TWO_LINES),
            (5, (90, 30), None),
            (5, (30, 90), "T-shirt"),
            (13, (28, 28), "T-shirt"),
            (13, (90, 30), TWO_LINES),
            (13, (30, 90), TWO_LINES),
            (13, (213, 320, 3), "T-shirt"),
        ],
    )
    def test_nothing_overlaps_or_leaves_the_page(self, count, shape, title):
        titles = None if title is None else [title] * count
        with untraced():
            axes = plotting.show_images(np.zeros((count, *shape)), titles)
            figure = axes[0].figure
            laid_out(figure)
            boxes = [ax.get_tightbbox() for ax in axes]
        assert figure.get_size_inches()[0] <= 7.61
        for index, box in enumerate(boxes):
            assert inside(box, figure.bbox)
            assert not any(box.padded(-1).overlaps(other) for other in boxes[:index])
            width, height = axes[index].get_window_extent().size
            assert math.isclose(height / width, shape[0] / shape[1], rel_tol=0.01)
            assert width * height > 60**2

    def test_a_grid_in_a_grid(self):
        figure, holders = plt.subplots(2, 2, figsize=(7.6, 5))
        with untraced():
            grids = [
                plotting.show_images(np.zeros((3, 28, 28)), ["one\ntwo"] * 3, ax=ax)
                for ax in holders.flat
            ]
            laid_out(figure)
            boxes = [ax.get_tightbbox() for ax in np.ravel(grids)]
        assert len(boxes) == 12
        for index, box in enumerate(boxes):
            assert inside(box, figure.bbox)
            assert not any(box.padded(-1).overlaps(other) for other in boxes[:index])

    def test_axes_too_small_for_the_titles(self):
        _, ax = plt.subplots(figsize=(1, 0.5))
        titles = ["a long title\nof two lines"] * 4
        drawn(plotting.show_images(np.zeros((4, 9, 7)), titles, ax=ax)[0])

    def test_leaves_the_images_alone(self):
        images = np.full((2, 5, 7, 3), 0.5)
        images.flags.writeable = False
        drawn(plotting.show_images(images)[0])
        assert (images == 0.5).all()

    @pytest.mark.parametrize("images", [[], np.zeros((0, 5, 7))])
    def test_refuses_no_image(self, images):
        with pytest.raises(ValueError, match="expected at least one image, got none"):
            plotting.show_images(images)

    @pytest.mark.parametrize("shape", [(300, 400), (300, 400, 3), (9, 7, 1), (2, 4, 3), (5, 2, 1)])
    @pytest.mark.parametrize("make", [np.zeros, keras.ops.zeros])
    def test_refuses_one_image_without_a_batch_axis(self, shape, make):
        image = make(shape)
        message = re.escape(f"got one image {shape}: put it into a list, [image], or")
        with pytest.raises(ValueError, match=message):
            plotting.show_images(image)
        assert plt.get_fignums() == []
        assert len(plotting.show_images([image])) == len(plotting.show_images(image[None])) == 1

    @pytest.mark.parametrize("shape", [(9, 3, 3), (4, 1, 3), (5, 1, 1), (2, 7, 2), (6, 5, 4)])
    def test_batches_of_narrow_grey_images_are_batches(self, shape):
        assert len(plotting.show_images(np.zeros(shape))) == shape[0]

    def test_narrow_images_higher_than_wide_come_as_a_list_or_with_channels(self):
        images = np.zeros((4, 5, 3))
        for given in ([*images], images[..., None]):
            assert [picture.shape for picture in shown(plotting.show_images(given))] == [(5, 3)] * 4

    @pytest.mark.parametrize(
        "shape", [(), (5,), (5, 7, 2), (5, 7, 4), (0, 7), (5, 0, 3), (1, 5, 7, 3)]
    )
    def test_refuses_a_shape(self, shape):
        with pytest.raises(ValueError, match=r"expected images \(H, W\), .* got \(") as error:
            plotting.show_images([np.zeros((5, 7)), np.zeros(shape)])
        assert str(error.value).endswith(f"got {shape}")

    @pytest.mark.parametrize("dtype", ["complex64", "U1", object])
    def test_refuses_what_is_not_a_number(self, dtype):
        with pytest.raises(ValueError, match="expected images of real numbers, got type"):
            plotting.show_images([np.zeros((5, 7), dtype)])

    @pytest.mark.parametrize("titles", [[], ["one"], ["one", "two", "three"]])
    def test_refuses_another_number_of_titles(self, titles):
        with pytest.raises(ValueError, match=f"2 images need as many titles, got {len(titles)}"):
            plotting.show_images(np.zeros((2, 5, 7)), titles)

    @pytest.mark.parametrize("columns", [0, -2, 1.5, True, "2"])
    def test_refuses_columns(self, columns):
        expected = f"columns must be a whole number >= 1, got {columns!r}"
        with pytest.raises(ValueError, match=expected):
            plotting.show_images(np.zeros((2, 5, 7)), columns=columns)
        assert plt.get_fignums() == []


@pytest.mark.parametrize("draw", [plotting.show_images, plotting.show_numbers])
@pytest.mark.parametrize("limits", [(1, 0), (2, 2), (0, np.nan), 1, (0, 1, 2), (), "min", "ab"])
def test_limits_are_refused(draw, limits):
    argument = [np.eye(3)] if draw is plotting.show_images else np.eye(3)
    with pytest.raises(ValueError, match=r"limits must be \(low, high\) with low < high, got"):
        draw(argument, limits=limits)
    assert plt.get_fignums() == []


class TestShowNumbers:
    @pytest.mark.parametrize(
        "wrong", [{"digits": -1}, {"digits": 1.5}, {"digits": True}, {"highlight": (1, 2, 3)}]
    )
    def test_refuses_digits_and_windows(self, wrong):
        ((name, value),) = wrong.items()
        with pytest.raises(ValueError, match=f"{name} must be .*, got {re.escape(repr(value))}"):
            plotting.show_numbers(np.eye(3, 5), **wrong)
        assert plt.get_fignums() == []

    def test_by_hand(self):
        ax = plotting.show_numbers([[0, 5, 9], [-1, 4, 2]])
        texts = {text.get_position(): text.get_text() for text in ax.texts}  # (column, row)
        expected = {(0, 0): "0", (1, 0): "5", (2, 0): "9", (0, 1): "-1", (1, 1): "4", (2, 1): "2"}
        assert texts == expected
        assert ax.images[0].get_clim() == (-1, 9)

    def test_black_on_white_and_white_on_black(self):
        ax = plotting.show_numbers([[0, 49], [51, 100]])
        assert [text.get_color() for text in ax.texts] == ["white", "white", "black", "black"]
        ax = plotting.show_numbers([[0, 1]], limits=(-9, 0))
        assert [text.get_color() for text in ax.texts] == ["black", "black"]
        assert ax.images[0].get_clim() == (-9, 0)

    @pytest.mark.parametrize(
        ("digits", "expected"), [(0, ["1", "-3", "0"]), (1, ["1.2", "-2.6", "0.0"])]
    )
    def test_digits(self, digits, expected):
        ax = plotting.show_numbers([[1.23, -2.6, -0.04]], digits)
        assert [text.get_text() for text in ax.texts] == expected

    def test_what_is_not_a_number_is_hatched(self):
        ax = plotting.show_numbers([[1, np.nan, 3], [4, 5, np.nan]])
        assert [text.get_text() for text in ax.texts] == ["1", "3", "4", "5"]
        hatched = {patch.get_xy() for patch in ax.patches if patch.get_hatch()}
        assert hatched == {(0.5, -0.5), (1.5, 0.5)}
        drawn(ax)

    @pytest.mark.parametrize("value", [np.nan, 7.0, -3])
    def test_one_value_all_over(self, value):
        drawn(plotting.show_numbers(np.full((2, 3), value)))
        drawn(plotting.show_numbers([[value]]))

    def test_the_frame_of_a_window(self):
        (frame,) = plotting.show_numbers(np.zeros((5, 7)), highlight=(1, 4, 2, 3)).patches
        assert frame.get_xy() == (3.5, 0.5)  # the corner of pixel row 1, column 4
        assert (frame.get_height(), frame.get_width()) == (2, 3)
        assert not frame.get_fill()

    @pytest.mark.parametrize("shape", [(1, 1), (2, 9), (16, 16)])
    @pytest.mark.parametrize("own_axes", [True, False])
    def test_numbers_fit_their_cells(self, shape, own_axes):
        ax = None if own_axes else plt.subplots(1, 3, figsize=(7.6, 2.8))[1][1]
        with untraced():
            ax = plotting.show_numbers(np.full(shape, -23.456), digits=2, ax=ax)
            laid_out(ax.figure)
            widths = [text.get_window_extent().width for text in ax.texts]
        assert ax.figure.get_size_inches()[0] <= 8
        assert len(widths) == math.prod(shape)
        assert max(widths) < ax.get_window_extent().width / shape[1]

    def test_takes_whole_numbers_and_truth_values(self):
        ax = plotting.show_numbers(np.array([[True, False]]))
        assert [text.get_text() for text in ax.texts] == ["1", "0"]
        array = np.arange(6, dtype="uint8").reshape(2, 3)
        array.flags.writeable = False
        assert len(plotting.show_numbers(array).texts) == 6

    @pytest.mark.parametrize("shape", [(), (3,), (2, 3, 1), (0, 3), (3, 0)])
    def test_refuses_a_shape(self, shape):
        with pytest.raises(ValueError, match=r"expected a matrix \(H, W\), got shape") as error:
            plotting.show_numbers(np.zeros(shape))
        assert str(error.value).endswith(f"got shape {shape}")


def pixels(ax):
    """What the row of pixels shows: labels, which are padding, which crossed out."""
    row = [patch for patch in ax.patches if patch.get_height() == 1]
    labels = [text.get_text() for text in ax.texts[: len(row)]]
    padded = [patch.get_x() for patch in row if patch.get_hatch()]
    crossed = sorted({int(min(line.get_xdata())) + 1 for line in ax.lines})
    return labels, padded, crossed


def bars(ax):
    """Start and length of each window, in pixels, from the top one down."""
    found = [patch for patch in ax.patches if patch.get_height() != 1]
    found.sort(key=lambda bar: -bar.get_y())
    return [(round(bar.get_x()), round(bar.get_width())) for bar in found]


class TestShowWindows:
    def test_valid_by_hand(self):
        ax = plotting.show_windows(13, 6, 5)
        labels, padded, crossed = pixels(ax)
        assert labels == [str(pixel) for pixel in range(1, 14)]
        assert padded == []
        assert crossed == [12, 13]
        assert bars(ax) == [(0, 6), (5, 6)]
        assert [text.get_text() for text in ax.texts[13:]] == ["window 1", "window 2"]

    def test_same_by_hand(self):
        ax = plotting.show_windows(13, 6, 5, "same")
        labels, padded, crossed = pixels(ax)
        assert labels == ["0", *(str(pixel) for pixel in range(1, 14)), "0", "0"]
        assert padded == [-1, 13, 14]
        assert crossed == []
        assert bars(ax) == [(-1, 6), (4, 6), (9, 6)]

    @pytest.mark.parametrize(
        ("arguments", "crossed"),
        [
            ((9, 2, 4), [3, 4, 7, 8, 9]),  # between the windows and behind the last
            ((10, 2, 5, "same"), [3, 4, 5, 8, 9, 10]),
            ((3, 5), [1, 2, 3]),  # the window does not fit at all
            ((3, 5, 1, "same"), []),
            ((1, 1), []),
        ],
    )
    def test_crosses_out_what_no_window_sees(self, arguments, crossed):
        assert pixels(plotting.show_windows(*arguments))[2] == crossed

    @pytest.mark.parametrize("padding", ["valid", "same"])
    @pytest.mark.parametrize(("size", "kernel", "stride"), [(20, 3, 1), (40, 2, 3), (7, 7, 2)])
    def test_windows_stay_on_the_row_and_in_the_figure(self, size, kernel, stride, padding):
        ax = plotting.show_windows(size, kernel, stride, padding)
        laid_out(ax.figure)
        before, after = (
            convolution.same_padding(size, kernel, stride) if padding == "same" else (0, 0)
        )
        windows = bars(ax)
        assert len(windows) == convolution.output_size(size, kernel, stride, padding)
        assert all(start >= -before and start + length <= size + after for start, length in windows)
        assert len(pixels(ax)[0]) == size + before + after
        for artist in (*ax.patches, *ax.texts):
            assert inside(artist.get_window_extent(), ax.bbox)

    def test_labels_fit_their_bars(self):
        for arguments in [(20, 3, 1), (40, 2, 1), (13, 1, 1), (5, 1, 1)]:
            ax = plotting.show_windows(*arguments)
            laid_out(ax.figure)
            windows = [patch for patch in ax.patches if patch.get_height() != 1]
            for text, bar in zip(ax.texts[arguments[0] :], windows, strict=True):
                assert inside(text.get_window_extent(), bar.get_window_extent(), tolerance=2)

    @pytest.mark.parametrize("arguments", [(0, 3), (9, 0), (9, 3, 0), (9, 3, 1.5)])
    def test_refuses_a_length(self, arguments):
        with pytest.raises(ValueError, match="must be a whole number >= 1, got"):
            plotting.show_windows(*arguments)
        assert plt.get_fignums() == []

    def test_refuses_a_padding(self):
        with pytest.raises(ValueError, match='padding must be "valid" or "same", got'):
            plotting.show_windows(9, 3, padding="full")


class TestLearningCurves:
    @pytest.mark.parametrize("wrapped", [True, False])
    def test_by_hand(self, wrapped):
        history = keras.callbacks.History() if wrapped else CURVES
        if wrapped:
            history.history = CURVES
        ax = plotting.learning_curves(history)
        training, validation = ax.lines
        np.testing.assert_array_equal(training.get_xydata(), [[1, 0.2], [2, 0.5], [3, 0.6]])
        np.testing.assert_array_equal(validation.get_xydata(), [[1, 0.3], [2, 0.4], [3, 0.7]])
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        assert labels == ["training", "validation"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "accuracy")

    def test_the_two_curves_differ_in_more_than_colour(self):
        training, validation = plotting.learning_curves(CURVES).lines
        assert training.get_marker() != validation.get_marker()
        assert to_hex(training.get_color()) != to_hex(validation.get_color())

    def test_without_validation(self):
        ax = plotting.learning_curves(CURVES, "loss")
        assert [line.get_label() for line in ax.lines] == ["training"]
        assert ax.get_ylabel() == "loss"

    @pytest.mark.parametrize("epochs", [1, 2, 3, 7, 40])
    def test_ticks_are_epochs(self, epochs):
        ax = plotting.learning_curves({"loss": np.linspace(2, 1, epochs).tolist()}, "loss")
        laid_out(ax.figure)
        low, high = ax.get_xlim()
        ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
        assert ticks
        assert all(tick == round(tick) for tick in ticks)

    def test_two_runs_on_one_axes(self):
        ax = plotting.learning_curves(CURVES, "loss")
        assert plotting.learning_curves(CURVES, "loss", ax=ax) is ax
        assert len(ax.lines) == 2

    def test_refuses_a_metric(self):
        expected = "no 'recall' was recorded, only loss, accuracy, val_accuracy"
        with pytest.raises(ValueError, match=expected):
            plotting.learning_curves(CURVES, "recall")
        assert plt.get_fignums() == []


class TestDrawBoxes:
    NAMES = ("cat", "dog", "a bird", 90 * "W")

    @staticmethod
    def picture(height=40, width=60, **options):
        return plotting.show_images([np.full((height, width), 0.5)], **options)[0]

    @staticmethod
    def written(ax):
        """The names, and the place that each takes in the rendered figure."""
        ax.figure.canvas.draw()
        return {text.get_text(): text.get_window_extent() for text in ax.texts}

    def test_boxes_are_edges_and_the_first_pixels_centre_is_0(self):
        ax = plotting.draw_boxes([[0, 0, 60, 40]], ax=self.picture())
        (frame,) = ax.patches
        assert frame.get_bbox().extents.tolist() == [-0.5, -0.5, 59.5, 39.5]
        # The whole image: the frame lies on the edges of the picture.
        laid_out(ax.figure)
        np.testing.assert_allclose(
            frame.get_window_extent().extents, ax.get_window_extent().extents, atol=1e-6
        )
        assert not ax.texts

    def test_the_line_is_where_the_box_ends(self):
        image = np.ones((40, 60))
        ax = plotting.draw_boxes(
            [[10, 5, 30, 25]], colour="black", ax=plotting.show_images([image])[0]
        )
        pixels = drawn(ax)[..., :3].mean(axis=-1)
        for x, y, dark in ((9.5, 15, True), (29.5, 15, True), (20, 4.5, True), (20, 15, False)):
            across, up = ax.transData.transform((x, y)).astype(int)
            assert (pixels[len(pixels) - 1 - up, across] < 100) == dark

    def test_every_class_has_its_colour_in_every_image(self):
        boxes = np.tile([[5, 5, 20, 20]], (9, 1))
        first = plotting.draw_boxes(boxes, np.arange(9), ax=self.picture())
        colours = [to_hex(frame.get_edgecolor()) for frame in first.patches]
        assert colours[:7] == [colour.lower() for colour in notebook.PALETTE]
        assert colours[7:] == colours[:2]
        second = plotting.draw_boxes(boxes[:2], [6, 3], ax=self.picture())
        assert [to_hex(frame.get_edgecolor()) for frame in second.patches] == [
            colours[6],
            colours[3],
        ]

    def test_one_colour_and_style_for_all(self):
        ax = plotting.draw_boxes(BOXES, [0, 1], colour="white", linestyle=":", ax=self.picture())
        assert {to_hex(frame.get_edgecolor()) for frame in ax.patches} == {"#ffffff"}
        assert {frame.get_linestyle() for frame in ax.patches} == {":"}
        assert {to_hex(text.get_bbox_patch().get_facecolor()) for text in ax.texts} == {"#ffffff"}

    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"labels": [2, 0]}, ["2", "0"]),
            ({"labels": [2, 0], "names": NAMES}, ["a bird", "cat"]),
            (
                {"labels": [2, 0], "names": NAMES, "scores": [0.25, 0.756]},
                ["cat 0.76", "a bird 0.25"],
            ),
            ({"scores": [0.25, 1]}, ["1.00", "0.25"]),
            ({}, []),
        ],
    )
    def test_what_is_written(self, settings, expected):
        ax = plotting.draw_boxes(BOXES, ax=self.picture(), **settings)
        assert [text.get_text() for text in ax.texts] == expected

    @pytest.mark.parametrize("size", [(40, 60), (300, 300), (96, 96)])
    def test_names_stay_in_the_picture(self, size):
        height, width = size
        corners = [[0, 0], [width - 9, 0], [0, height - 9], [width - 9, height - 9]]
        boxes = [[x, y, x + 9, y + 9] for x, y in corners] + [[0, 0, width, height]]
        axes = plotting.show_images([np.ones(size)] * 3)
        for ax in axes:
            plotting.draw_boxes(boxes, [0, 1, 2, 0, 1], np.linspace(1, 0.1, 5), self.NAMES, ax=ax)
        drawn(axes[0])
        for ax in axes:
            for text in ax.texts:
                assert inside(text.get_window_extent(), ax.get_window_extent(), tolerance=3)

    def test_names_hide_no_other_while_there_is_room(self):
        boxes = [[30, 30, 70, 60], [30, 30, 70, 60], [31, 30, 72, 61], [28, 31, 70, 62]]
        names = ("one", "two", "three", "four")
        ax = self.picture(96, 96)
        places = self.written(plotting.draw_boxes(boxes, [0, 1, 2, 3], names=names, ax=ax))
        assert len(places) == 4
        for one, other in itertools.combinations(places.values(), 2):
            assert not one.overlaps(other)
        # The first has the best place: above its upper left corner.
        left, top = ax.transData.transform((29.5, 29.5))
        assert places["one"].x0 == pytest.approx(left, abs=1)
        assert places["one"].y0 == pytest.approx(top, abs=4)

    def test_the_highest_score_chooses_first(self):
        ax = self.picture(96, 96)
        plotting.draw_boxes([[30, 30, 70, 60]] * 2, [0, 1], [0.2, 0.9], ("low", "high"), ax=ax)
        places = self.written(ax)
        assert places["high 0.90"].y0 > places["low 0.20"].y1

    def test_names_find_new_places_in_a_new_layout(self):
        figure, ax = plt.subplots(figsize=(6, 4))
        ax.imshow(np.ones((96, 96)), cmap="gray")
        plotting.draw_boxes([[0, 50, 90, 96]] * 2, [0, 2], names=self.NAMES, ax=ax)
        for size in ((6, 4), (2, 2), (5, 5)):
            figure.set_size_inches(size)
            drawn(ax)
            for text in ax.texts:
                assert inside(text.get_window_extent(), ax.get_window_extent(), tolerance=3)

    def test_a_long_name_shrinks(self):
        ax = self.picture(20, 20)
        plotting.draw_boxes([[1, 1, 9, 9], [3, 3, 20, 20]], [3, 0], names=self.NAMES, ax=ax)
        drawn(ax)
        sizes = [text.get_fontsize() for text in ax.texts]
        assert sizes[0] < 6 < sizes[1] == 8

    def test_ink_stands_out_on_every_colour(self):
        boxes = np.tile([[5, 5, 20, 20]], (7, 1))
        ax = plotting.draw_boxes(boxes, np.arange(7), ax=self.picture())

        def light(colour):
            return np.power(to_rgb(colour), 2.2) @ (0.2126, 0.7152, 0.0722) + 0.05

        for text in ax.texts:
            pair = light(text.get_color()), light(text.get_bbox_patch().get_facecolor()[:3])
            assert max(pair) / min(pair) > 4.5

    def test_on_a_figure_of_its_own_all_boxes_can_be_seen(self):
        ax = plotting.draw_boxes([[3, 5, 12, 70], [1, 2, 30, 9]])
        assert ax.get_xlim() == (-0.5, 29.5)
        assert ax.get_ylim() == (69.5, -0.5)  # y goes down
        assert ax.get_aspect() == 1

    def test_no_boxes(self):
        ax = plotting.draw_boxes([], [], [], self.NAMES, ax=self.picture())
        assert not ax.patches
        assert not ax.texts
        drawn(plotting.draw_boxes([]))

    def test_a_layout_takes_no_notice_of_names(self):
        figure, ax = plt.subplots()
        ax.imshow(np.ones((10, 10)))
        laid_out(figure)
        before = ax.get_position().bounds
        plotting.draw_boxes([[0, 0, 3, 3]], [3], names=self.NAMES, ax=ax)
        laid_out(figure)
        np.testing.assert_allclose(ax.get_position().bounds, before)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([[1, 2, 3]],), r"boxes of shape \(N, 4\), got \(1, 3\)"),
            (([[5, 2, 3, 4]],), "x1 <= x2"),
            ((BOXES, [1]), r"labels of shape \(2,\)"),
            ((BOXES, ["cat", "dog"]), "labels of whole numbers"),
            ((BOXES, [0, 4], None, NAMES), "labels below 4, one a name, got 4"),
            ((BOXES, [0, 1], [0.5]), r"scores of shape \(2,\)"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            plotting.draw_boxes(*arguments)
        assert plt.get_fignums() == []


class TestShowAttention:
    WEIGHTS = np.array([[0.25, 0.75, 0], [1, 0, 0]])

    def test_rows_are_queries(self):
        ax = plotting.show_attention(self.WEIGHTS, ["a", "b"], ["x", "y", "z"])
        np.testing.assert_array_equal(ax.images[0].get_array(), self.WEIGHTS)
        assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
        assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "z"]
        assert [text.get_text() for text in ax.texts] == [
            "0.25",
            "0.75",
            "0.00",
            "1.00",
            "0.00",
            "0.00",
        ]
        assert ax.texts[1].get_position() == (1, 0)
        assert ax.texts[1].get_color() == "white"

    def test_a_large_one_has_no_numbers_and_draws_where_it_is_told(self):
        _, ax = plt.subplots()
        assert plotting.show_attention(np.full((7, 9), 1 / 9), keys=range(9), ax=ax) is ax
        assert len(ax.texts) == 0
        assert ax.get_xticklabels()[0].get_rotation() == 90

    @pytest.mark.parametrize(
        ("weights", "names", "message"),
        [
            (np.zeros(3), {}, r"weights \(T, S\), got shape \(3,\)"),
            (np.zeros((0, 3)), {}, r"got shape \(0, 3\)"),
            ([[0.5, -0.5]], {}, "from 0 to 1, got -0.5 to 0.5"),
            ([[np.nan, 1]], {}, "from 0 to 1, got nan"),
            (WEIGHTS, {"queries": "abc"}, "expected 2 names of queries, got 3"),
            (WEIGHTS, {"keys": "ab"}, "expected 3 names of keys, got 2"),
        ],
    )
    def test_what_is_no_attention_is_refused(self, weights, names, message):
        with pytest.raises(ValueError, match=message):
            plotting.show_attention(weights, **names)


DIAGRAM = {"in": (0, 0, "x"), "f": (1, 0, "3 x 3"), "g": (2, 1, "5 x 5"), "out": (3, 0, "+")}


class TestShowDiagram:
    def test_says_what_stands_in_the_boxes_and_leads_along_the_paths(self):
        ax = plotting.show_diagram(DIAGRAM, [["in", "f", "out"], ["in", "g"]])
        words = [text.get_text() for text in ax.texts]
        assert words == ["x", "3 x 3", "5 x 5", "+", "", "", ""]
        arrows = [(text.xyann, text.xy) for text in ax.texts[4:]]
        assert arrows == [((0, 0), (1, 0)), ((1, 0), (3, 0)), ((0, 0), (2, 1))]

    def test_a_bent_arrow_leads_over_what_lies_between(self):
        straight = plotting.show_diagram(DIAGRAM, [["in", "out"]])
        bent = plotting.show_diagram(DIAGRAM, [], bent=[("in", "out")])
        laid_out(bent.figure)
        laid_out(straight.figure)
        extents = [ax.texts[-1].arrow_patch.get_window_extent() for ax in (straight, bent)]
        assert extents[1].height > extents[0].height + 20
        assert bent.get_ylim()[1] == straight.get_ylim()[1] + 0.5

    def test_boxes_stay_in_the_figure(self):
        ax = plotting.show_diagram(DIAGRAM, [["in", "f", "g", "out"]])
        laid_out(ax.figure)
        for text in ax.texts[:4]:
            assert inside(text.get_bbox_patch().get_window_extent(), ax.figure.bbox)

    @pytest.mark.parametrize("arrows", [{"paths": [["in", "h"]]}, {"bent": [("h", "in")]}])
    def test_an_unknown_box_is_named(self, arrows):
        with pytest.raises(ValueError, match="expected one of the boxes in, f, g, out; got h"):
            plotting.show_diagram(DIAGRAM, **({"paths": []} | arrows))
