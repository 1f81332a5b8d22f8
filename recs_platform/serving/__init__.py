"""Serving online: HTTP, lists that follow the session, events written to landing. Batch stays the source of truth.

`server` starts it, `front` is its door, `routes` what is asked often, `documented` the rest and the OpenAPI document.
Bundles are read through `stages.releases.bundle`; nothing here opens the lake.
"""
