"""Makes course_utils/assets/photo_set/ from the photos in Debian's gcompris-qt-data.

Only photos in the public domain, under CC0 or CC BY, as the README beside each photo says.
"""

import argparse
import csv
import hashlib
import io
import posixpath
import re
import struct
import zipfile
import zlib
from pathlib import Path

from PIL import Image

TARGET = Path(__file__).parents[1] / "course_utils" / "assets" / "photo_set"
ARCHIVES = Path("usr/share/gcompris-qt/rcc")
ACTIVITIES = "gcompris/src/activities/"
CATEGORIES = "categorization/resource/images/"
CLASSES = {  # folder with a README -> class; "other" is for later chapters, beside the labelled set
    "erase/resource": "animal",
    "explore_farm_animals/resource/animals": "animal",
    "explore_world_animals/resource/animals": "animal",
    f"{CATEGORIES}fishes": "fish",
    f"{CATEGORIES}monuments": "monument",
    "explore_monuments/resource": "monument",
    f"{CATEGORIES}tools": "tool",
    f"{CATEGORIES}renewable": "energy",
    f"{CATEGORIES}others": "other",
    "explore_world_music/resource/music": "other",
}
LICENCES = {
    "CC0-1.0": "CC0 1.0",
    "CC-BY-2.0": "CC BY 2.0",
    "CC-BY-3.0": "CC BY 3.0",
    "Public-Domain": "public domain",
    "Public-domain": "public domain",
}
MISSPELT = {  # in a README -> the file that is there
    "audaPalatina.webp": "aulaPalatina.webp",
    "screDriver.webp": "screwDriver.webp",
}
DROPPED = {
    "burj": "a new building, and no freedom of panorama in the Emirates",
    "bayterek": "a new building, and no freedom of panorama in Kazakhstan",
    "leMusee": "the Louvre's pyramid, and no freedom of panorama in France",
    "monuments/christTheRedeemer": "from MaxPixel, whose licences are doubtful",
    "jucheTower": "from MaxPixel, whose licences are doubtful",
    "monuments/brandenburgGate": "the same photo as in explore_monuments, smaller",
    "monuments/colosseum": "the same photo as in explore_monuments, smaller",
    "monuments/greatPyramid": "the same photo as in explore_monuments, smaller",
    "canyondeChelly": "a river in a valley, no monument in sight",
    "spray": "a bottle is no tool",
    "bee": "outside the middle square",
}
OTHERS = (
    "america", "australia", "blackslate", "buffetset", "bulb", "chair", "cup", "ireland", "italy",
    "knife", "mexico", "orchestra", "spoons",
)  # fmt: skip
NAMES = {  # where the name of the file is there twice, or says too little
    "animals/cat": "cat_with_wool",
    "animals/chameleon": "chameleon_2",
    "chamaeleon": "chameleon",
    "animals/chicken": "chickens",
    "animals/dog": "german_shepherd",
    "animals/dragon": "komodo_dragon",
    "animals/giraffe": "giraffes",
    "animals/horse": "horses",
    "animals/jaguar": "jaguars",
    "animals/kangaroo": "kangaroos",
    "animals/lemur": "lemurs",
    "animals/narwhal": "narwhals",
    "animals/panda": "giant_panda",
    "monuments/arcDeTriomphe": "arc_du_carrousel",
    "monuments/cathedral": "santiago_cathedral",
    "monuments/eiffelTower": "eiffel_tower_2",
    "monuments/greatWall": "great_wall_2",
    "monuments/kutubMinar": "qutub_minar_2",
    "monuments/monument1": "dome_of_the_rock",
    "monuments/monument2": "tetrapylon",
    "monuments/monument3": "vienna_jubilee_church",
    "monuments/mountRushmore": "mount_rushmore_2",
    "monuments/statueOfLiberty": "statue_of_liberty_2",
    "monuments/victoriaMemorial": "victoria_memorial_london",
    "monuments/zimniPalace": "winter_palace",
    "india/victoriaMemorial": "victoria_memorial_kolkata",
    "usa/navajo": "betatakin_cliff_dwellings",
    "wonders/greatWallofChina": "great_wall",
    "tools/cuttingTool": "wire_cutter",
    "tools/sideCutter1": "side_cutter",
    "others/blackslate": "blackboard",
    "others/buffetset": "cup_and_saucer",
    "others/bulb": "light_bulb",
    "others/knife": "cutlery",
    "music/america": "drum_kit",
    "music/australia": "didgeridoo",
    "music/ireland": "folk_band",
    "music/italy": "opera",
    "music/mexico": "mariachi",
}
SUBJECTS = {  # a thing that is seen in several photos; the other photos stand for themselves
    "swallowtail_seaperch": ("fish_5", "fish_14"),
    "rainbow_wrasse": ("fish_23", "fish_24"),
    "sand_smelt": ("fish_2", "fish_26"),
    "chameleon": ("chameleon", "chameleon_2"),
    "giraffe": ("giraffe", "giraffes"),
    "eiffel_tower": ("eiffel_tower", "eiffel_tower_2"),
    "great_wall": ("great_wall", "great_wall_2"),
    "mount_rushmore": ("mount_rushmore", "mount_rushmore_2"),
    "qutub_minar": ("qutub_minar", "qutub_minar_2"),
    "statue_of_liberty": ("statue_of_liberty", "statue_of_liberty_2"),
    "hammer_of_hodan": ("hammer_8", "hammer_9"),
    "tool_on_paper": ("side_cutter", "wrench_1"),  # one photographer, one sheet of paper
    "windmill_of_linda": ("windmill_9", "windmill_14"),
}
TRAINING = 20  # photos of a class
SHORTER_SIDE = 240  # pixels, so that a square of 224 can be cut out
LONGER_SIDE = 480  # pixels, of animals and others, in which a detector looks for single objects
QUALITY = 85
COLUMNS = ("name", "class", "part", "subject", "author", "source", "licence", "changes", "file")


def read_resources(content):
    """Reads the files in a binary resource of Qt (`.rcc`).

    Args:
        content: the resource's bytes, of format version 1, 2 or 3.

    Returns:
        Dictionary from the path of each file to its bytes.

    Raises:
        ValueError: if it is no such resource, or compressed with Zstandard.

    Source: Qt's `qtbase/src/tools/rcc/rcc.cpp`.
    """
    magic, version, tree, data, names = struct.unpack_from(">4s4I", content)
    if magic != b"qres" or version not in (1, 2, 3):
        raise ValueError(f"expected b'qres' and version 1 to 3, got {magic} and {version}")
    node_bytes = 14 if version == 1 else 22
    files = {}

    def visit(index, folder):
        node = tree + index * node_bytes
        name, flags = struct.unpack_from(">IH", content, node)
        path = folder
        if index:  # the root has no name
            (length,) = struct.unpack_from(">H", content, names + name)
            start = names + name + 6  # behind the length and a hash
            path = posixpath.join(folder, content[start : start + 2 * length].decode("utf-16-be"))
        if flags & 2:
            count, first = struct.unpack_from(">II", content, node + 6)
            for child in range(first, first + count):
                visit(child, path)
            return
        if flags & 4:
            raise ValueError(f"expected plain or zlib data, got Zstandard in {path}")
        (start,) = struct.unpack_from(">I", content, node + 10)
        (length,) = struct.unpack_from(">I", content, data + start)
        stored = content[data + start + 4 : data + start + 4 + length]
        files[path] = zlib.decompress(stored[4:]) if flags & 1 else stored

    visit(0, "")
    return files


def read_credits(readme):
    """Reads who made what, from a README of GCompris.

    Args:
        readme: blocks of lines "Copyright: ...", "Source: ...", "License: ...", "Comments: ..." and
            "Files:" with one or more names; an empty line between blocks.

    Returns:
        Dictionary from the name of each file to its author, source, licence and changes.
    """
    rows = {}
    for block in re.split(r"\n\s*\n", readme):
        fields = dict(re.findall(r"^(Copyright|Source|License|Comments): *(.+?) *$", block, re.M))
        row = {
            "author": fields.get("Copyright"),
            "source": fields.get("Source"),
            "licence": LICENCES.get(fields.get("License", "").replace(" ", "-")),
            "changes": fields.get("Comments", ""),
        }
        for name in block.partition("Files:")[2].split():
            folder, file = posixpath.split(name)
            rows[posixpath.join(folder, MISSPELT.get(file, file))] = row
    return rows


def snake_case(name):
    """pontduGard -> pont_du_gard, hammer1 -> hammer_1."""
    name = re.sub(r"(?<=[a-z])(of|des?|du)(?=[A-Z])", r"_\1", name)
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).lower()


def look_up(table, path):
    """The entry of a table whose key ends the path, without the file's suffix; or None."""
    stem = "/" + path.rpartition(".")[0]
    return next((table[key] for key in table if stem.endswith("/" + key)), None)


def choose(files):
    """Chooses the photos, and says of each what it is.

    Args:
        files: path -> bytes of all files of the package's activities.

    Returns:
        Rows without "part", sorted by class and name.

    Raises:
        ValueError: if a photo has no credits in the README beside it.
    """
    subjects = {name: subject for subject, names in SUBJECTS.items() for name in names}
    rows = []
    for folder, label in CLASSES.items():
        authors = read_credits(files[f"{folder}/README"].decode())
        for path in files:
            file = path.removeprefix(folder + "/")
            if file == path or not file.endswith(".webp") or look_up(DROPPED, path):
                continue
            if file not in authors:
                raise ValueError(f"expected credits of {file} in {folder}/README, got none")
            stem = Path(file).stem
            if authors[file]["licence"] and (label != "other" or stem in OTHERS):
                name = look_up(NAMES, path) or snake_case(stem)
                row = {"name": name, "class": label, "subject": subjects.get(name, name)}
                rows.append(row | authors[file] | {"file": path})
    return sorted(rows, key=lambda row: (row["class"], row["name"]))


def split(rows):
    """Adds "part": TRAINING photos of each class are for training, the rest are for the test.

    A hash of the subject decides, so that all photos of one subject are on the same side.
    """
    training = {label: TRAINING for label in CLASSES.values() if label != "other"}
    groups = {}
    for row in rows:
        groups.setdefault((row["class"], row["subject"]), []).append(row)
    for label, subject in sorted(
        groups, key=lambda group: hashlib.sha256(group[1].encode()).hexdigest()
    ):
        group = groups[label, subject]
        fits = len(group) <= training.get(label, 0)
        if fits:
            training[label] -= len(group)
        for row in group:
            row["part"] = "" if label == "other" else "train" if fits else "test"


def shrink(content, label):
    """WebP -> JPEG without metadata, no larger than the sides above, on white if transparent."""
    image = Image.open(io.BytesIO(content)).convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if label in ("animal", "other"):
        scale = LONGER_SIDE / max(image.size)
    else:
        scale = SHORTER_SIDE / min(image.size)
    if scale < 1:
        size = [round(scale * length) for length in image.size]
        image = image.resize(size, Image.Resampling.LANCZOS)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=QUALITY, optimize=True)
    return jpeg.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder where dpkg-deb unpacked the package")
    archives = parser.parse_args().folder / ARCHIVES
    files = {}
    for activity in sorted({folder.partition("/")[0] for folder in CLASSES}):
        for path, content in read_resources((archives / f"{activity}.rcc").read_bytes()).items():
            files[path.removeprefix(ACTIVITIES)] = content
    rows = choose(files)
    split(rows)
    TARGET.mkdir(exist_ok=True)
    with open(TARGET / "photos.csv", "w", encoding="utf-8", newline="") as table:
        writer = csv.DictWriter(table, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with zipfile.ZipFile(TARGET / "photos.zip", "w") as archive:
        for row in rows:
            # JPEGs do not shrink further; a ZipInfo has a date that never changes.
            jpeg = shrink(files[row["file"]], row["class"])
            archive.writestr(zipfile.ZipInfo(f"{row['name']}.jpg"), jpeg)
    for path in sorted(TARGET.iterdir()):
        print(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
