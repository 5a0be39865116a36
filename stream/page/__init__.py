"""Web page of areas and episodes; read-only and live.

The process follows the topics without a consumer group. `state_follower` keeps a copy of the
workers' state by running the same step, and `episode_views` keeps transitions, notifications and
responses. `json_views` converts both to JSON, `server` serves it, `live_updates` pushes changes to
viewers, and `service` connects them. `assets` holds the files for the browser.
"""
