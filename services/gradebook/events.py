"""Which events gradebook takes in, and what it does with each."""

from hoso.archive.v1 import events_pb2 as archive_events
from hoso.print.v1 import events_pb2 as print_events
from hoso.signing.v1 import events_pb2 as signing_events

from services.common.intake import Subscription
from services.gradebook.books import announced

SUBSCRIPTIONS = (
    Subscription(print_events.RenditionReady, announced.rendition_ready),
    Subscription(print_events.RenditionFailed, announced.rendition_failed),
    Subscription(signing_events.DocumentSigned, announced.document_signed),
    Subscription(signing_events.DocumentSealed, announced.document_sealed),
    Subscription(archive_events.SnapshotArchived, announced.snapshot_archived),
    Subscription(archive_events.RecordArchived, announced.record_archived),
    Subscription(archive_events.RecordRefused, announced.record_refused),
)
