"""Every endpoint of the sandbox. A new one is a rule in a module here and a line in this table."""

from omnichat_async.sandbox.endpoints.ai_agents import (
    close_room,
    send_agent_messages,
    to_human_agent,
    trigger_auto_assign,
)
from omnichat_async.sandbox.endpoints.base import CONVERSIONS_ROOT, Endpoint
from omnichat_async.sandbox.endpoints.broadcasts import (
    get_broadcast,
    list_broadcasts,
    list_buttons,
    list_recipients,
    send_broadcast,
)
from omnichat_async.sandbox.endpoints.catalog import (
    get_rich_menu,
    list_channels,
    list_chatbots,
    list_message_blocks,
    list_rich_menus,
    list_system_users,
    list_templates,
)
from omnichat_async.sandbox.endpoints.commerce import track_conversion, upsert_orders
from omnichat_async.sandbox.endpoints.contacts import delete_contact, list_contacts, upsert_contact
from omnichat_async.sandbox.endpoints.customers import (
    delete_customer,
    get_customer,
    upsert_customer,
)
from omnichat_async.sandbox.endpoints.direct_messages import send_direct_message
from omnichat_async.sandbox.endpoints.headless import send_headless
from omnichat_async.sandbox.endpoints.identities import member_data
from omnichat_async.sandbox.endpoints.loyalty import adjust_points
from omnichat_async.sandbox.endpoints.messages import get_message, list_messages
from omnichat_async.sandbox.endpoints.notifications import send_notifications, upload_public_key
from omnichat_async.sandbox.endpoints.reports import (
    orders_report,
    referral_link_info,
    tagging_records,
    teammates_report,
)
from omnichat_async.sandbox.endpoints.rooms import (
    RoomEndpoint,
    assign_agent,
    assign_collaborator,
    unassign_agent,
    unassign_collaborator,
)
from omnichat_async.sandbox.endpoints.rosters import upload_roster

__all__ = ["ENDPOINTS", "Endpoint"]

_HEADLESS = "/whatsapp/headless-api/{business_phone_number}/messages"

ENDPOINTS = (
    Endpoint("GET", "/chatbots", list_chatbots),
    Endpoint("GET", "/chatbots/{chatbot_id}/message-blocks", list_message_blocks),
    Endpoint("GET", "/messages", list_messages),
    Endpoint("GET", "/messages/{message_id}", get_message),
    Endpoint("POST", "/direct-messages", send_direct_message),
    Endpoint("POST", "/identities/member-data", member_data),
    Endpoint("GET", "/contacts", list_contacts),
    Endpoint("PUT", "/contacts/{platform}", upsert_contact),
    Endpoint("DELETE", "/contacts/{platform}", delete_contact),
    Endpoint("PUT", "/loyalty-points/action/adjust", adjust_points),
    Endpoint("GET", "/reports/messages", teammates_report),
    Endpoint("GET", "/reports/product-referral-links/orders", orders_report),
    Endpoint("GET", "/product-referral-links/info", referral_link_info),
    Endpoint("PUT", "/rosters", upload_roster),
    Endpoint("GET", "/whatsapp-message-templates", list_templates),
    RoomEndpoint("POST", "/rooms/assign-agent", assign_agent),
    RoomEndpoint("POST", "/rooms/assign-collaborator", assign_collaborator),
    RoomEndpoint("POST", "/rooms/unassign-agent", unassign_agent),
    RoomEndpoint("POST", "/rooms/unassign-collaborator", unassign_collaborator),
    Endpoint("POST", "/broadcast", send_broadcast),
    Endpoint("GET", "/broadcast", list_broadcasts),
    Endpoint("GET", "/broadcast/{broadcast_id}", get_broadcast),
    Endpoint("GET", "/broadcast/{broadcast_id}/recipients", list_recipients),
    Endpoint("GET", "/customers", get_customer),
    Endpoint("PUT", "/customers", upsert_customer),
    Endpoint("DELETE", "/customers", delete_customer),
    Endpoint("POST", _HEADLESS, send_headless, schemes=("Bearer", "Basic")),
    Endpoint("GET", "/system-users", list_system_users),
    Endpoint("GET", "/tagging-logs/records", tagging_records),
    Endpoint("POST", "/whatsapp-business/public-key", upload_public_key),
    Endpoint("GET", "/channels", list_channels),
    # In the guide only:
    Endpoint("POST", "/agent-messages", send_agent_messages),
    Endpoint("POST", "/rooms/to-human-agent", to_human_agent),
    Endpoint("POST", "/rooms/close", close_room),
    Endpoint("POST", "/rooms/trigger-auto-assign", trigger_auto_assign),
    Endpoint("POST", "/notification-messages", send_notifications),
    Endpoint("PUT", "/third-party-orders", upsert_orders),
    Endpoint("GET", "/rich-menus", list_rich_menus),
    Endpoint("GET", "/rich-menus/{menu_id}", get_rich_menu),
    Endpoint("GET", "/broadcast/{broadcast_id}/buttons", list_buttons),
    # On another host:
    Endpoint("POST", "/pixel/events", track_conversion, root=CONVERSIONS_ROOT),
)
