# What the mail server of the tests does otherwise than aiosmtpd by itself: some recipients it does not take, and one
# customer may log in. The protocol, and everything else, is aiosmtpd's.
from aiosmtpd.handlers import Mailbox
from aiosmtpd.smtp import AuthResult

REFUSED = {
    "nobody": "550 5.1.1 There is no nobody@example.org here",
    "full": "552 5.2.2 The mailbox of full@example.org is full",
    "blocked": "554 5.7.1 blocked@example.org takes no mail",
    "later": "450 4.2.1 Try later@example.org again later",
}


class Strict(Mailbox):
    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        refused = REFUSED.get(address.split("@")[0])
        if refused:
            return refused
        envelope.rcpt_tos.append(address)
        return "250 OK"

    # Held to the only mechanism that needs no dialogue.
    async def auth_PLAIN(self, server, args):
        good = "AHNob3AAc2VjcmV0"  # base64 of NUL shop NUL secret
        if args[1:] == [good]:
            return AuthResult(success=True, auth_data="shop")
        await server.push("535 5.7.8 Authentication credentials invalid")
        return AuthResult(success=False, handled=True)
