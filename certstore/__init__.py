"""The certificates that the cluster trusts and their purposes: names, the store, and the cache over it."""

from certstore.cache import CertificateDBCache
from certstore.certificate import (
    Certificate,
    CertificateError,
    TrustedCertificate,
    read_certificate_file,
)
from certstore.index import CacheEntry, CertificateIndex
from certstore.lookup import CertificateCache
from certstore.names import name_from_text, name_key, name_text, parse_name, same_name
from certstore.opening import open_store
from certstore.purposes import Purpose, find_purpose, roles_of
from certstore.serials import normal_serial, serial_text, unique_map_id
from certstore.store import (
    BadRow,
    CertificateStore,
    Changes,
    Conflict,
    Node,
    NotFound,
    StoreEntry,
    StoreError,
    StoreUnavailable,
)
from certstore.trace import Trace

__distribution__ = "trust-verification-service"

__all__ = [
    "BadRow",
    "CacheEntry",
    "Certificate",
    "CertificateCache",
    "CertificateDBCache",
    "CertificateError",
    "CertificateIndex",
    "CertificateStore",
    "Changes",
    "Conflict",
    "Node",
    "NotFound",
    "Purpose",
    "StoreEntry",
    "StoreError",
    "StoreUnavailable",
    "Trace",
    "TrustedCertificate",
    "find_purpose",
    "name_from_text",
    "name_key",
    "name_text",
    "normal_serial",
    "open_store",
    "parse_name",
    "read_certificate_file",
    "roles_of",
    "same_name",
    "serial_text",
    "unique_map_id",
]
