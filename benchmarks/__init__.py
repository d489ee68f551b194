"""Nothing but the package's name: the floor's start must not pay for anything here."""
