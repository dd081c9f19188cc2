"""Let hypothesis take its time: the first call of a kernel compiles it."""

import os

from hypothesis import Phase, settings

settings.register_profile("kernels", deadline=None)
# Where many failures are made and none is read (mutation testing), making them small is waste.
settings.register_profile(
    "unshrunk", deadline=None, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "kernels"))
