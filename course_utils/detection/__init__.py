"""Object detection: boxes, anchors, matching, metrics, and scenes to learn from.

Boxes are (N, 4) x1, y1, x2, y2 in pixels: edges, not pixel centres, so that (0, 0, W, H) is the
whole image. Other formats are converted where they come in, by `boxes.convert`. What is true of N
images is a list of N dictionaries {"boxes": (M, 4), "labels": (M,)}; predictions hold "scores" (M,)
as well. M may be 0.
"""
