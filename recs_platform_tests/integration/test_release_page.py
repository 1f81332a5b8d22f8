"""The page of a release: made by the graph, and what it shows is what users were shown."""

import re
from html import unescape

from recs_platform.contracts.home import RELEASE_PAGE
from recs_platform.pipeline.release_page import USERS_SHOWN
from recs_platform.pipeline.report_inputs import report_folder
from recs_platform.stages.releases import current_release
from recs_platform_tests.homes import Built, ask


def test_it_shows_users_with_their_history_and_their_list(built: Built) -> None:
    page = unescape((report_folder(built.platform, built.as_of) / RELEASE_PAGE).read_text())
    assert current_release(built.platform.home).version in page
    users = re.findall(r">User ([^<]+)<", page)
    users = list(dict.fromkeys(users))
    assert len(users) == USERS_SHOWN
    for user in users[:3]:
        listed = ask(
            built.platform,
            "select coalesce(title, item_id) as name, reason from recommendations.current left join raw.items "
            f"using (item_id) where user_id = '{user}' order by rank",
        )
        text = page[page.index(f">User {user}<") :]
        assert all(name in text and reason in text for name, reason in listed.iter_rows())
    histories = ask(
        built.platform,
        "select user_id, count(distinct item_id) filter (where event_type <> 'impression') as items "
        f"from raw.events where user_id in {tuple(users)} group by all",
    )
    assert histories["items"].max() >= 10  # pyright: ignore[reportOptionalOperand]


def test_shares_of_exposure_add_up(built: Built) -> None:
    page = (report_folder(built.platform, built.as_of) / RELEASE_PAGE).read_text()
    assert '<ul class="verdicts">' in page
    assert "data_quality: freshness" in page
    for heading in ("From sources to lists", "What changed", "Exposure by category"):
        assert f"<h2>{heading}<" in page
    part = page[page.index("<h2>Exposure by category<") : page.index("<h2>Exposure by creator<")]
    shares = [float(text) for text in re.findall(r"([\d.]+) %", part)]
    assert abs(sum(shares[::3]) - 100) < 1
