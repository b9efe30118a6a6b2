"""People, passwords, sessions, machine signatures and the audit trail (schema `identity`).

Who a person is and that it is really they is decided here; what they may do is not. Roles and
machine keys are granted by journaled engine events and read from a read model, so that this package
holds the only personal data and the only secrets of the exchange.

    assembly     open_identity: the parts below, put together
    errors       every refusal, with its stable code
    names        logins, display names, person ids
    passwords    argon2id and the rules for a new password
    throttle     growing delays for failed logins
    credentials  login and password -> person, in constant work
    people       create, disable, change and reset passwords
    sessions     opaque tokens, answered from memory
    signatures   Ed25519 signatures of machine requests
    audit        append-only, hash-chained record of sensitive acts
"""
