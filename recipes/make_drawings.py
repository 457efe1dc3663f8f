"""Makes course_utils/assets/drawings.zip from drawings in Debian's openclipart-png."""

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

from PIL import Image

TARGET = Path(__file__).parents[1] / "course_utils" / "assets" / "drawings.zip"
FOLDER = Path("usr/share/openclipart/png")
SIZE = 160  # pixels a side
DRAWINGS = {  # class -> folder/name, chosen by eye: in colour or with shades, one thing, not tiny
    "animal": """
        birds/cigno_di_spalle_architet_01 birds/cormorant-md birds/emperor_penguin_ralf_ste_01
        birds/flamand_jean-victor_bali_01 birds/gallo_di_profilo_archite_01
        birds/gufo_civetta_architetto__01 birds/gull_marcelo_staudt_01 birds/puffin-md
        birds/tacchino_architetto_fran_01 mammals/canguro_architetto_franc_01
        mammals/cartoon_cat_gerald_g._01 mammals/dog_03_drawn_with_strai_01
        mammals/dog_04_drawn_with_strai_02 mammals/dog_05_drawn_with_strai_01
        mammals/elefante01_architetto_fr_01 mammals/goat_nicu_buculei_01
        mammals/pig_marcelo_caiafa1 mammals/raccoon_ganson mammals/rhinoceros_3d_architetto_01
        mammals/sheep-md-v0.1 mammals/stylized_wolf_head_geral_01
        mammals/vacca_pezzata_rossa_val_01""",
    "fish": """
        altum_angelfish_01 arctic_greyling_ganson bofish_massimo_aiello_r brown_fish_01
        clown_loach_01 giraffe_cichlid_01 pescetto_arancione_archi_01 seahorse yellow_gourami_01""",
    "tool": """
        axe_peterm_ blacksmith_hammer_ganson broom_nicu_buculei_01 brush_roller_costea_bogd_01
        construction_hammer_jon__01 cultivator_benji_park_01 drill_peterm_ hammer_nicu_buculei_01
        hedgeshear_benji_park_01 leafrake_benji_park_01 livella_architetto_franc_01
        nail_puller_peterm_ paint_brush_costea_bogda_01 paint_roller_gerald_g._01
        roundpointshovel_benji_p_01 scissors spaclu_costea_bogdan_01 tool trowel_benji_park_01
        utensile_sega_architetto_01 wooden_mallot_benji_park_ wrench_jarno_vasamaa_01""",
}
PLACES = {"animal": "animals", "fish": "animals/fish", "tool": "tools"}


def square(path):
    """The drawing, cut to what is drawn, in the middle of a transparent SIZE x SIZE."""
    with Image.open(path) as file:
        drawing = file.convert("RGBA")
    drawing = drawing.crop(drawing.getchannel("A").point(lambda a: 255 * (a > 8)).getbbox())
    scale = 0.9 * SIZE / max(drawing.size)
    size = [max(1, round(length * scale)) for length in drawing.size]
    drawing = drawing.resize(size, Image.Resampling.LANCZOS)
    canvas = Image.new("RGBA", (SIZE, SIZE))
    canvas.alpha_composite(drawing, tuple((SIZE - length) // 2 for length in drawing.size))
    return canvas


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="the unpacked package openclipart-png")
    folder = parser.parse_args().package / FOLDER
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_STORED) as archive:
        for label, names in DRAWINGS.items():
            for name in names.split():
                picture = io.BytesIO()
                square(folder / PLACES[label] / f"{name}.png").save(picture, "png", optimize=True)
                # Without a date, the same drawings give the same bytes.
                entry = zipfile.ZipInfo(f"{label}/{name.rpartition('/')[2]}.png")
                archive.writestr(entry, picture.getvalue())
    print(TARGET.name, hashlib.sha256(TARGET.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
