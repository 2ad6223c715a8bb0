"""Everything a stranger can call: each event of the pages and each route of the server, with the least role for it.

The server refuses what is not in here, and a test compares both tables with the running app. The services check the
role again; this table is what a reader checks. Knows nothing of how a page or a route is made.
"""

import re
from functools import lru_cache

from starlette.routing import compile_path

from flywheel.roles import Role

EVENTS: dict[str, Role] = {
    "chat_open": Role.GUEST,
    "chat_banner_open": Role.GUEST,
    "chat_banner_tick": Role.GUEST,
    "chat_send": Role.GUEST,
    "chat_example": Role.GUEST,
    "chat_example_send": Role.GUEST,
    "chat_stop": Role.GUEST,
    "chat_new": Role.GUEST,
    "chat_rate": Role.GUEST,
    "chat_rows": Role.GUEST,
    "branch_show": Role.GUEST,
    "branch_retry": Role.GUEST,
    "branch_edit": Role.GUEST,
    "branch_cancel": Role.GUEST,
    "branch_send": Role.GUEST,
    "two_choose": Role.GUEST,
    "history_open": Role.GUEST,
    "history_follow": Role.GUEST,
    "history_search": Role.GUEST,
    "history_older": Role.GUEST,
    "history_choose": Role.GUEST,
    "history_rename": Role.GUEST,
    "history_save": Role.GUEST,
    "history_delete": Role.GUEST,
    "history_sure": Role.GUEST,
    "history_keep": Role.GUEST,
    "correction_fill": Role.GUEST,
    "correction_quiet": Role.GUEST,
    "correction_reasons": Role.GUEST,
    "correction_diff": Role.GUEST,
    "correction_try": Role.GUEST,
    "correction_send": Role.GUEST,
    "correction_shown": Role.GUEST,
    "correction_close": Role.GUEST,
    "correction_leave": Role.GUEST,
    "correction_go_on": Role.GUEST,
    "corrections_open": Role.GUEST,
    "corrections_newer": Role.GUEST,
    "corrections_older": Role.GUEST,
    "learned_open": Role.GUEST,
    "learns_open": Role.GUEST,
    "learned_dismiss": Role.GUEST,
    "learned_again": Role.GUEST,
    "privacy_open": Role.GUEST,
    "privacy_rated": Role.GUEST,
    "privacy_yes": Role.GUEST,
    "privacy_no": Role.GUEST,
    "privacy_show": Role.GUEST,
    "privacy_conversation": Role.GUEST,
    "privacy_switch": Role.GUEST,
    "privacy_leave_out": Role.GUEST,
    "privacy_delete": Role.GUEST,
    "privacy_keep": Role.GUEST,
    "privacy_delete_now": Role.GUEST,
    "page_admit": Role.ANONYMOUS,  # tells only whether the role suffices
    "space_open": Role.ANONYMOUS,  # on a Space: tells only who one is oneself
    "wheel_open": Role.REVIEWER,
    "wheel_tick": Role.REVIEWER,
    "review_open": Role.REVIEWER,
    "review_load": Role.REVIEWER,
    "review_search": Role.REVIEWER,
    "review_filter_by_reason": Role.REVIEWER,
    "review_filter_by_rating": Role.REVIEWER,
    "review_filter_by_version": Role.REVIEWER,
    "review_filter_by_provenance": Role.REVIEWER,
    "review_filter_by_tag": Role.REVIEWER,
    "review_filter_by_state": Role.REVIEWER,
    "review_filter_by_order": Role.REVIEWER,
    "review_filter_by_since": Role.REVIEWER,
    "review_filter_by_until": Role.REVIEWER,
    "review_filter_by_mine": Role.REVIEWER,
    "review_forward": Role.REVIEWER,
    "review_backward": Role.REVIEWER,
    "review_tag": Role.REVIEWER,
    "review_pin": Role.REVIEWER,
    "review_item": Role.REVIEWER,
    "review_try": Role.REVIEWER,
    "review_approve": Role.REVIEWER,
    "review_redact": Role.REVIEWER,
    "review_skip": Role.REVIEWER,
    "review_undo": Role.REVIEWER,
    "review_reject": Role.REVIEWER,
    "review_reject_key": Role.REVIEWER,
    "alike_approve": Role.REVIEWER,
    "alike_reject": Role.REVIEWER,
    "audit_open": Role.REVIEWER,
    "audit_show": Role.REVIEWER,
    "audit_by": Role.REVIEWER,
    "audit_subject": Role.REVIEWER,
    "audit_older": Role.REVIEWER,
    "audit_export": Role.REVIEWER,
    "audit_verify": Role.OWNER,
    "suggest_ask": Role.REVIEWER,
    "suggest_take": Role.REVIEWER,
    "data_open": Role.REVIEWER,
    "data_open_examples": Role.REVIEWER,
    "data_examples": Role.REVIEWER,
    "data_examples_after": Role.REVIEWER,
    "data_examples_tag": Role.REVIEWER,
    "data_tag": Role.REVIEWER,
    "data_pins": Role.REVIEWER,
    "data_freeze": Role.OWNER,
    "data_load": Role.REVIEWER,
    "data_import": Role.REVIEWER,
    "data_import_hub": Role.REVIEWER,
    "data_import_file_after": Role.REVIEWER,
    "data_import_hub_after": Role.REVIEWER,
    "data_push": Role.OWNER,
    "data_pushes": Role.OWNER,
    "data_diff": Role.REVIEWER,
    "data_synthesis_prompt": Role.REVIEWER,
    "data_synthesis_source": Role.REVIEWER,
    "data_synthesize": Role.REVIEWER,
    "data_report": Role.REVIEWER,
    "data_export": Role.REVIEWER,
    "data_rows": Role.REVIEWER,
    "data_side": Role.REVIEWER,
    "data_page": Role.REVIEWER,
    "train_open": Role.OWNER,
    "train_start": Role.OWNER,
    "train_cancel": Role.OWNER,
    "train_resume": Role.OWNER,
    "train_watch": Role.OWNER,
    "train_tick": Role.OWNER,
    "train_table": Role.OWNER,
    "versions_open": Role.OWNER,
    "versions_show": Role.OWNER,
    "versions_answers": Role.OWNER,
    "versions_suite": Role.OWNER,
    "versions_page": Role.OWNER,
    "versions_promote": Role.OWNER,
    "versions_override": Role.OWNER,
    "versions_rollback": Role.OWNER,
    "versions_base": Role.OWNER,
    "versions_publish": Role.OWNER,
    "versions_publication": Role.OWNER,
    "versions_publication_tick": Role.OWNER,
    "settings_open": Role.OWNER,
    "settings_invite": Role.OWNER,
    "settings_revoke": Role.OWNER,
}
"""Event name → least role."""

PAGES: dict[str, Role] = {
    "/": Role.GUEST,
    "/corrections": Role.GUEST,
    "/how-it-learns": Role.GUEST,
    "/review": Role.REVIEWER,
    "/data": Role.REVIEWER,
    "/train": Role.OWNER,
    "/versions": Role.OWNER,
    "/audit": Role.REVIEWER,
    "/settings": Role.OWNER,
}
"""Path → role of the readers. The page itself is an empty frame and open; what it shows comes by events."""

OPEN = Role.ANONYMOUS
CLOSED = None
"""Part of the web framework, not of this product: answered as if it did not exist."""

ROUTES: dict[str, Role | None] = {
    # ours
    "/healthz": OPEN,
    "/readyz": OPEN,
    "/enter": OPEN,
    "/metrics": OPEN,  # asks for loopback or the owner itself
    "/my-data": Role.GUEST,  # one's own, by the cookie
    "/flywheel/command": OPEN,  # asks for the owner's key itself
    "/answers/{turn_id}/rows.csv": Role.GUEST,
    "/answers/{turn_id}/live": Role.GUEST,  # one's own alone
    # programs: each asks for a key, whatever cookies came along
    "/v1/chat/completions": OPEN,
    "/v1/feedback": OPEN,
    "/v1/models": OPEN,
    "/v1/models/{model}": OPEN,
    "/v1/{path:path}": OPEN,
    # files of the front end
    "/assets/{path:path}": OPEN,
    "/static/{path:path}": OPEN,
    "/svelte/{path:path}": OPEN,
    "/favicon.ico": OPEN,
    "/theme.css": OPEN,
    "/gradio_api/theme.css": OPEN,
    "/robots.txt": OPEN,
    "/manifest.json": OPEN,
    "/pwa_icon": OPEN,
    "/pwa_icon/{size}": OPEN,
    "/config": OPEN,
    "/gradio_api/app_id": OPEN,
    "/gradio_api/startup-events": OPEN,
    # sign-in with Hugging Face, there only on a Space
    "/login/huggingface": OPEN,
    "/login/callback": OPEN,
    "/logout": OPEN,
    # events
    "/gradio_api/queue/join": OPEN,
    "/gradio_api/queue/data": OPEN,
    "/gradio_api/cancel": OPEN,
    "/gradio_api/heartbeat/{session_hash}": OPEN,
    # files of people
    "/gradio_api/upload": Role.REVIEWER,
    "/gradio_api/upload_progress": Role.REVIEWER,
    "/gradio_api/file={path_or_url:path}": Role.REVIEWER,
    # not ours
    "/login": CLOSED,
    "/monitoring": CLOSED,
    "/monitoring/summary": CLOSED,
    "/monitoring/{key}": CLOSED,
    "/gradio_api/api/{api_name}": CLOSED,
    "/gradio_api/call/v2/{api_name}": CLOSED,
    "/gradio_api/call/{api_name}": CLOSED,
    "/gradio_api/call/{api_name}/{event_id}": CLOSED,
    "/gradio_api/call/v2/{api_name}/{event_id}": CLOSED,
    "/gradio_api/component_server": CLOSED,
    "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name}": CLOSED,
    "/gradio_api/deep_link": CLOSED,
    "/gradio_api/dev/reload": CLOSED,
    "/gradio_api/file/{path:path}": CLOSED,
    "/gradio_api/info": CLOSED,
    "/gradio_api/login_check": CLOSED,
    "/gradio_api/openapi.json": CLOSED,
    "/gradio_api/process_recording": CLOSED,
    "/gradio_api/proxy={url_path:path}": CLOSED,
    "/gradio_api/queue/status": CLOSED,
    "/gradio_api/reset": CLOSED,
    "/gradio_api/run/{api_name}": CLOSED,
    "/gradio_api/runs": CLOSED,
    "/gradio_api/stream/{event_id}": CLOSED,
    "/gradio_api/stream/{event_id}/close": CLOSED,
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file": CLOSED,
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8": CLOSED,
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}": CLOSED,
    "/gradio_api/token": CLOSED,
    "/gradio_api/undo-vibe-edit": CLOSED,
    "/gradio_api/user": CLOSED,
    "/gradio_api/vibe-code": CLOSED,
    "/gradio_api/vibe-edit": CLOSED,
    "/gradio_api/vibe-starter-queries": CLOSED,
}
"""Path pattern, without a trailing slash → least role."""

_PATTERNS = [(compile_path(path)[0], role) for path, role in ROUTES.items() if "{" in path]


def least_role_of_event(name: str) -> Role:
    """The least role that may send an event. An event that stands on several pages is numbered by the framework."""
    role = EVENTS.get(re.sub(r"_\d+$", "", name))
    if role is None:
        raise LookupError(f"The event `{name}` is not declared. Add it to `EVENTS` in flywheel/census.py.")
    return role


def least_role(path: str) -> Role | None:
    """The least role that may ask for `path`; CLOSED for what is not declared."""
    path = path.removesuffix("/") or "/"
    if path in PAGES:
        return OPEN
    if path in ROUTES:
        return ROUTES[path]
    return _of_pattern(path[:2048])


@lru_cache(maxsize=1024)
def _of_pattern(path: str) -> Role | None:
    return next((role for pattern, role in _PATTERNS if pattern.match(path)), CLOSED)
