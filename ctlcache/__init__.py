"""Signed trust lists of the cluster, CTL and ITL files: parsed, built, signed, verified and monitored."""

from ctlcache.builder import build_trust_list
from ctlcache.cache import CertificateCTLCache, CheckResult
from ctlcache.entries import (
    ClusterNode,
    ListEntry,
    itl_entries,
    non_secure,
    token_ctl_entries,
    token_entry,
    tokenless_ctl_entries,
)
from ctlcache.inspection import FileState
from ctlcache.model import SignerIdentity
from ctlcache.report import ListReport, report
from ctlcache.reportjson import report_json
from ctlcache.signing import MODULUS_BITS, Digest, KeyFileSigner, KeySigner, Signer, SigningError
from ctlcache.trustlist import (
    MAX_SIZE,
    PHONE_LIMIT,
    Header,
    HeaderTag,
    Record,
    RecordTag,
    TrustList,
    parse_trust_list,
    serialise,
    signed_bytes,
)
from ctlcache.verification import Reason, Verification, verify, verify_with

__distribution__ = "trust-verification-service"

__all__ = [
    "MAX_SIZE",
    "MODULUS_BITS",
    "PHONE_LIMIT",
    "CertificateCTLCache",
    "CheckResult",
    "ClusterNode",
    "Digest",
    "FileState",
    "Header",
    "HeaderTag",
    "KeyFileSigner",
    "KeySigner",
    "ListEntry",
    "ListReport",
    "Reason",
    "Record",
    "RecordTag",
    "Signer",
    "SignerIdentity",
    "SigningError",
    "TrustList",
    "Verification",
    "build_trust_list",
    "itl_entries",
    "non_secure",
    "parse_trust_list",
    "report",
    "report_json",
    "serialise",
    "signed_bytes",
    "token_ctl_entries",
    "token_entry",
    "tokenless_ctl_entries",
    "verify",
    "verify_with",
]
