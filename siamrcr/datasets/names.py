"""What each toolkit calls a sequence, and the benchmark's own name for it."""

import math
import re

# OTB-2015's 100 entries, as its MATLAB toolkit names them.
_OTB_TEXT = """
    Basketball Biker Bird1 Bird2 BlurBody BlurCar1 BlurCar2 BlurCar3 BlurCar4 BlurFace BlurOwl Board Bolt Bolt2 Box Boy
    Car1 Car2 Car24 Car4 CarDark CarScale ClifBar Coke Couple Coupon Crossing Crowds Dancer Dancer2 David David2 David3
    Deer Diving Dog Dog1 Doll DragonBaby Dudek FaceOcc1 FaceOcc2 Fish FleetFace Football Football1 Freeman1 Freeman3
    Freeman4 Girl Girl2 Gym Human2 Human3 Human4-2 Human5 Human6 Human7 Human8 Human9 Ironman Jogging-1 Jogging-2 Jump
    Jumping KiteSurf Lemming Liquor Man Matrix Mhyang MotorRolling MountainBike Panda RedTeam Rubik Shaking Singer1
    Singer2 Skater Skater2 Skating1 Skating2-1 Skating2-2 Skiing Soccer Subway Surfer Suv Sylvester Tiger1 Tiger2 Toy
    Trans Trellis Twinnings Vase Walking Walking2 Woman
"""
OTB = tuple(_OTB_TEXT.split())
# Of Human4's two ground-truth files the first is empty, so some toolkits drop the number.
_OTB_FORMS = {name.lower(): name for name in OTB} | {"human4": "Human4-2"}
_TARGET = re.compile(r"(.+)[-._](\d)")


def canonical(benchmark: str, name: str) -> str:
    """The benchmark's own name of a sequence, from the form that any toolkit gives it.

    OTB writes a target of several as `Jogging-1`; got10k has `Jogging.1`, pytracking `Jogging_1`, and older toolkits
    use small first letters. Names that are not known, and those of other benchmarks, stay as they are.
    """
    if benchmark != "otb2015":
        return name
    several = _TARGET.fullmatch(name)
    form = f"{several[1]}-{several[2]}" if several else name
    return _OTB_FORMS.get(form.lower(), form)


def natural(name: str) -> tuple[tuple[float, str], ...]:
    """Sort key that puts `cat-9` before `cat-13`."""
    parts = re.split(r"(\d+)", name)
    return tuple((int(part), "") if part.isdecimal() else (math.inf, part) for part in parts if part)
