"""The serving bundle: what online serving needs of a release, as arrays in files that are mapped, not read.

`content` says what goes in, `writing` encodes it, `reading` looks things up. It is an artifact of its own beside the
release, named by it: one release may be bundled anew once more of what is behind it has changed.
"""

from recs_platform.stages.releases.bundle.content import BundleContent, BundleRules
from recs_platform.stages.releases.bundle.opening import newest_bundle, open_bundle, sealed_bundle
from recs_platform.stages.releases.bundle.reading import Bundle
from recs_platform.stages.releases.bundle.writing import SERVING_ARTIFACT, bundle_version, remove_bundles, seal_bundle

__all__ = [
    "SERVING_ARTIFACT",
    "Bundle",
    "BundleContent",
    "BundleRules",
    "bundle_version",
    "newest_bundle",
    "open_bundle",
    "remove_bundles",
    "seal_bundle",
    "sealed_bundle",
]
