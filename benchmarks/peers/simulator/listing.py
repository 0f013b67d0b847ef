"""S3's listings: ListObjects and ListObjectsV2, a thousand keys a page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from urllib.parse import quote
from xml.sax.saxutils import escape

from benchmarks.peers.simulator.objects import Bucket, Object

PAGE_KEYS = 1000


def listing(bucket: Bucket, name: str, query: Mapping[str, str]) -> str:
    """Return the XML of a page of keys."""
    is_second = query.get("list-type") == "2"
    write = (lambda text: quote(text, safe="/")) if query.get("encoding-type") == "url" else escape
    after = (query.get("continuation-token") or query.get("start-after")) if is_second else query.get("marker")
    limit = min(int(query.get("max-keys", PAGE_KEYS)), PAGE_KEYS)
    entries = _entries(bucket, query.get("prefix", ""), query.get("delimiter", ""), after or "", limit + 1)
    page, is_truncated = entries[:limit], len(entries) > limit
    tags = [
        f"<Name>{name}</Name><Prefix>{write(query.get('prefix', ''))}</Prefix><MaxKeys>{limit}</MaxKeys>",
        f"<KeyCount>{len(page)}</KeyCount><IsTruncated>{str(is_truncated).lower()}</IsTruncated>",
        f"<Delimiter>{write(query['delimiter'])}</Delimiter>" if query.get("delimiter") else "",
        f"<EncodingType>{query['encoding-type']}</EncodingType>" if "encoding-type" in query else "",
    ]
    if is_truncated:
        last = page[-1][0]
        tags.append(
            f"<NextContinuationToken>{escape(last)}</NextContinuationToken>"
            if is_second
            else f"<NextMarker>{write(last)}</NextMarker>"
        )
    tags.extend(_tag(write(key), found) for key, found in page)
    return f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{"".join(tags)}</ListBucketResult>'


def _entries(bucket: Bucket, prefix: str, delimiter: str, after: str, limit: int) -> list[tuple[str, Object | None]]:
    """Return objects, and common prefixes (None), in the order of their names."""
    found: list[tuple[str, Object | None]] = []
    while len(found) < limit:
        for key in bucket.keys(prefix, after):
            if delimiter and delimiter in key[len(prefix) :]:
                common = prefix + key[len(prefix) :].partition(delimiter)[0] + delimiter
                if not after.startswith(common):
                    found.append((common, None))
                after = common + chr(0x10FFFF)
                break  # go on behind all keys of this prefix
            found.append((key, bucket.get(key)))
            if len(found) == limit:
                break
        else:
            break
    return found[:limit]


def _tag(name: str, found: Object | None) -> str:
    if found is None:
        return f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>"
    modified = datetime.fromtimestamp(found.modified_at, timezone.utc).isoformat(timespec="milliseconds")
    return (
        f"<Contents><Key>{name}</Key><LastModified>{modified.replace('+00:00', 'Z')}</LastModified>"
        f"<ETag>&quot;{found.etag}&quot;</ETag><Size>{len(found.body)}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )
