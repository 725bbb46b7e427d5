"""The module contract under the name that DSkity 1 gave it. New code imports from `dskity`."""

from dskity.modules.contract import Module, ModuleMeta, TransportClients

__all__ = ["Module", "ModuleMeta", "TransportClients"]
