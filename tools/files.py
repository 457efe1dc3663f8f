"""Which files belong to the project, with git and without."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What is made here, and never belongs to the project (see .gitignore).
MADE = {".venv", "_build", "__pycache__", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"}


def has_git(root=ROOT):
    """Whether this is a git checkout; a downloaded ZIP is none."""
    return (root / ".git").exists()


def project_files(root=ROOT):
    """Sorted paths of the files that are, or would be, committed.

    Without git these are all files but those that the course's own commands make.
    """
    if has_git(root):
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.check_output(command, cwd=root, text=True).split("\0")
        paths = [root / name for name in names if name]
        return sorted(path for path in paths if path.is_file())  # not those deleted just now
    paths = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in MADE]
        paths += [Path(folder, name) for name in names if name not in (".coverage", ".setup.lock")]
    return sorted(paths)
