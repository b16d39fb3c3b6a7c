from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facebatch.storage.urls import has_secret, public_text, public_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/mnt/a?b=c#d/e@f", "/mnt/a?b=c#d/e@f"),
        ("s3://bucket/photos/a@b.jpg", "s3://bucket/photos/a@b.jpg"),
        ("https://host:8080/@user/a.jpg", "https://host:8080/@user/a.jpg"),
        ("https://user:word@host/a", "https://host/a"),
        ("https://token@host/a", "https://host/a"),
        ("https://host/a.jpg?X-Amz-Signature=12#part", "https://host/a.jpg"),
        ("s3://KEY:se/cr+et@bucket/a", "s3://bucket/a"),
        ("s3://bucket/a?versionId=1", "s3://bucket/a"),
        ("s3://bucket/what?.jpg", "s3://bucket/what?.jpg"),
        ("abfs://container@account.dfs.core.windows.net/a", None),
        (
            "https://a.blob.core.windows.net/c/a.jpg?sv=1&sig=x",
            "https://a.blob.core.windows.net/c/a.jpg",
        ),
        ("zip://in::https://u:p@host/a.zip?sig=1", "zip://in::https://host/a.zip"),
        ("file:///photos/a@b", "file:///photos/a@b"),
    ],
)
def test_a_public_url_has_no_user_password_or_signature(url: str, shown: str | None) -> None:
    assert public_url(url) == (url if shown is None else shown)
    assert public_url(public_url(url)) == public_url(url)


SECRET = st.text("ABCxyz019+/=_-~", min_size=8, max_size=40)


@given(SECRET, st.sampled_from(["https", "s3", "gs", "abfs", "sftp"]))
def test_no_password_is_left_in_a_url_or_in_a_text_that_holds_it(secret: str, scheme: str) -> None:
    if scheme in ("https", "sftp"):  # where key:12/ is a host and its port
        secret = secret.replace("/", "x")
    url = f"{scheme}://key:{secret}@bucket/photos/a.jpg"
    assert secret not in public_url(url)
    assert secret not in public_text(f"403, message='Forbidden', url='{url}'")
    assert has_secret(url)


@given(SECRET)
def test_no_signature_is_left_in_a_text(secret: str) -> None:
    text = f"no /c/a.jpg?X-Amz-Signature={secret}&b=1 and https://host/a?sig={secret} here"
    shown = public_text(text)
    assert secret not in shown
    assert shown.startswith("no /c/a.jpg?X-Amz-Signature=...&b=1 and https://host/a")


def test_a_text_without_secrets_stays() -> None:
    text = "[Errno 13] Permission denied: '/mnt/a@b/c?d=e'"
    assert public_text(text) == text
