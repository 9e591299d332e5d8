"""Give every claim of the test cluster a folder, and take it away again."""

import shutil
from pathlib import Path

from tests.cluster.testbed.api_client import ApiClient, Object

_PROVISIONER = "testbed.venturebots.dev/folder"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_ASKED_OF = "volume.kubernetes.io/storage-provisioner"
_NODE = "volume.kubernetes.io/selected-node"
_VOLUMES = "/api/v1/persistentvolumes"


class Volumes:
    """Folders on the node, bound to claims of the class `standard`."""

    def __init__(self, api: ApiClient, folder: Path) -> None:
        self._api = api
        self._folder = folder

    def run_once(self) -> None:
        """Provide what is claimed; remove what was released."""
        claims = self._api.list("/api/v1/persistentvolumeclaims")
        volumes = {
            volume["metadata"]["name"]: volume for volume in self._api.list(_VOLUMES)
        }
        for claim in claims:
            if _is_ours(claim) and _name(claim) not in volumes:
                self._provide(claim)
        for name, volume in volumes.items():
            if _is_released(volume):
                shutil.rmtree(self._folder / name, ignore_errors=True)
                self._api.delete(f"{_VOLUMES}/{name}")

    def _provide(self, claim: Object) -> None:
        folder = self._folder / _name(claim)
        folder.mkdir(parents=True, exist_ok=True)
        # Pods run as users of their own, and nothing changes a host folder's owner.
        folder.chmod(0o777)
        self._api.create(_VOLUMES, _volume(claim, folder))


def _name(claim: Object) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def _is_ours(claim: Object) -> bool:
    """Whether a claim waits for us: its pod has a node and it has no volume."""
    notes = claim["metadata"].get("annotations", {})
    is_waiting = claim["status"].get("phase") == "Pending"
    return is_waiting and notes.get(_ASKED_OF) == _PROVISIONER and _NODE in notes


def _is_released(volume: Object) -> bool:
    notes = volume["metadata"].get("annotations", {})
    return bool(
        notes.get(_PROVISIONED_BY) == _PROVISIONER
        and volume["status"].get("phase") == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
    )


def _volume(claim: Object, folder: Path) -> Object:
    metadata, spec = claim["metadata"], claim["spec"]
    node = {
        "key": "kubernetes.io/hostname",
        "operator": "In",
        "values": [metadata["annotations"][_NODE]],
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": _name(claim),
            "annotations": {_PROVISIONED_BY: _PROVISIONER},
        },
        "spec": {
            "capacity": spec["resources"]["requests"],
            "accessModes": spec["accessModes"],
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec["storageClassName"],
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                **{key: metadata[key] for key in ("namespace", "name", "uid")},
            },
            "hostPath": {"path": str(folder), "type": "Directory"},
            "nodeAffinity": {
                "required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]}
            },
        },
    }
