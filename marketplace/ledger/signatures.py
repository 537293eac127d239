"""Whether an Ed25519 signature holds, for everything in the market that somebody signs."""

from genome.shelf.signing import is_weak


def is_signed(public_key: str, signature: str, message: bytes) -> bool:
    """Whether the key signed the message; False also for what is no key or no signature.

    A weak key signs nothing: everybody can sign with it.

    Args:
        public_key: 64 hex digits.
        signature: 128 hex digits.
    """
    from cryptography.exceptions import InvalidSignature  # slow to import and rarely needed
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        if is_weak(public_key):
            return False
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True
