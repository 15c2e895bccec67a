"""Tells webhooks over HTTP, without ever reaching into the network it runs in; imports httpcore, standardwebhooks and imaging_core."""

from adapters.webhooks.addresses import Allowed
from adapters.webhooks.resolver import SystemResolver
from adapters.webhooks.sender import HttpWebhookSender

__all__ = ["Allowed", "HttpWebhookSender", "SystemResolver"]
