"""Recipients and values with which a request provokes a business error.

======================  ============================================================================
to ends in              what happens
======================  ============================================================================
`-unsubscribed`         direct message: CONTACT_UNSUBSCRIBED (400); broadcast: this recipient fails
`-unreachable`          direct message: CONTACT_NOT_REACHABLE (400); headless: Meta's error 131026;
                        broadcast: this recipient fails
`-mmlite`               direct message: MARKETING_MESSAGES_LITE_NOT_ENABLED (500, within `content`)
`-invalid`              broadcast: the whole call is refused with 400 INVALID_REQUEST_BODY
======================  ============================================================================

In the calls about AI rooms: a `replyToken` ending in `-dead`, or used a second time, gives 424
LINE_API_EXCEPTION; a `ruleId` ending in `-disabled` gives "trigger rule not available"; a message
whose text or url ends in `-undelivered` gets `null` for an id.

LINE template ids that start with `carousel` are carousels, all others bubbles.

A contact whose `status` was set to false by a request is refused direct messages, too. The computed
contacts accept them all, whatever their `status` says.
"""

UNSUBSCRIBED = "-unsubscribed"
UNREACHABLE = "-unreachable"
WITHOUT_MM_LITE = "-mmlite"
INVALID = "-invalid"
DEAD_TOKEN = "-dead"  # noqa: S105  a suffix
DISABLED_RULE = "-disabled"
UNDELIVERED = "-undelivered"
CAROUSEL = "carousel"
