from __future__ import annotations

from pathlib import Path

from rivya_flows.flows.server.environment import client_environment, server_environment


def test_the_server_gets_no_setting_and_no_key_of_the_user(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin",
        "PREFECT_API_KEY": "k",
        "PREFECT_SERVER_API_AUTH_STRING": "u:p",
        "RIVYA_API_KEY": "k",
        "BRAND_TOKEN": "k",
        "HTTPS_PROXY": "http://u:p@proxy.example",
    }
    made = server_environment(tmp_path, 4300, given)
    assert "k" not in made.values()
    assert "u:p" not in str(made)
    assert "PREFECT_SERVER_API_AUTH_STRING" not in made  # the server makes its own
    assert made["PATH"] == "/bin"
    assert made["PREFECT_SERVER_API_PORT"] == "4300"


def test_a_proxy_is_kept_out_of_the_way_to_the_server(tmp_path: Path) -> None:
    made = client_environment(
        "http://127.0.0.1:1/api", tmp_path, {"no_proxy": "example.com"}, auth="u:p"
    )
    assert set(made["NO_PROXY"].split(",")) == {"example.com", "127.0.0.1", "localhost"}


def test_links_that_prefect_prints_lead_to_the_ui_that_up_opens(tmp_path: Path) -> None:
    made = client_environment("http://127.0.0.1:1/api", tmp_path, {}, auth="u:p")
    assert made["PREFECT_UI_URL"] == "http://127.0.0.1:1/v2"


def test_redis_takes_messages_order_leases_and_tasks_of_the_server(tmp_path: Path) -> None:
    plain = server_environment(tmp_path, 4200, {})
    redis = "redis://127.0.0.1:6379/0"
    made = server_environment(tmp_path, 4200, {}, redis_url=redis)
    assert plain.keys() <= made.keys()
    parts = ("MESSAGING_BROKER", "MESSAGING_CACHE", "CAUSAL_ORDERING", "LEASE_STORAGE")
    for name in [one for one in made if one.endswith(parts)]:
        assert made[name].startswith("prefect_redis."), name
    assert made["PREFECT_SERVER_DOCKET_URL"] == made["PREFECT_REDIS_MESSAGING_URL"] == redis
    assert made["PREFECT_REDIS_MESSAGING_PUBLISHER_BATCH_SIZE"] == "1"  # a batch loses some
