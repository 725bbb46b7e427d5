"""Settings: `DSkitySettings` and where its values come from. Only `dskity/` reads these.

Layout, lowest first:

    masking.py    hiding secrets             layer.py      values with their origins
    sections/     the keys, their defaults, bounds and descriptions
    schema.py     the tree of keys           nearest.py    the key that was meant
    decoding.py   text → value               variables.py  ${VAR} in files
    yaml_files.py YAML, lines of keys        files.py     the settings file, YAML or TOML
    environment.py  DSKITY_… variables
    faults.py     all faults in one error    sources.py    precedence
    settings.py   DSkitySettings, ModuleConfig, load_settings
    descriptions.py  the text below a key  reference.py  docs/reference/settings.md
"""

from dskity.config.sections.modules import Modules, ModuleSettings
from dskity.config.settings import DSkitySettings, ModuleConfig, load_settings

__all__ = ["DSkitySettings", "ModuleConfig", "ModuleSettings", "Modules", "load_settings"]
