"""Make objects with checked and observed attributes, as a notebook makes its widgets, and change them."""

from traitlets import HasTraits, Int, List, Unicode, observe


class Slider(HasTraits):
    low = Int()
    high = Int(100)
    value = Int()
    label = Unicode("slider")
    marks = List()
    double = Int()

    @observe("value")
    def _follow(self, change):
        self.double = 2 * change["new"]


def inputs(rng):
    """Return 60 values, labels and lists of marks."""
    return [[rng.randrange(10**6), f"label-{rng.randrange(10**6)}", [rng.randrange(100) for _ in range(3)]] for _ in range(60)]


def run(settings):
    """Return the attributes of the objects after a change of each."""
    return [state(value, label, marks) for value, label, marks in settings]


def state(value, label, marks):
    """Make one object, move it, and return its attributes."""
    slider = Slider(value=value, label=label)
    slider.value = value + 1
    slider.marks = marks
    return [slider.low, slider.high, slider.value, slider.label, slider.marks, slider.double]
