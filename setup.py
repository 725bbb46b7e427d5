"""What `pyproject.toml` cannot say: a wheel holds what is in this checkout, and nothing else.

setuptools copies `build/lib` into the wheel, with what an earlier build has left there: a file that
was deleted or renamed since would come back in the wheel.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build import build


class CleanBuild(build):
    """`build` into an empty folder."""

    def run(self) -> None:
        """Empty the folder, then build."""
        if Path(self.build_lib).exists():
            shutil.rmtree(self.build_lib)
        super().run()


setup(cmdclass={"build": CleanBuild})
