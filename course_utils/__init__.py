"""Companion package of the course Classic Deep Learning & Images.

The modules are imported by name (`from course_utils import convolution`), so that
importing the package itself stays instant.
"""

__version__ = "0.12.0"
