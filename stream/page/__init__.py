"""The page of our own: areas now, open episodes, the whole story of each; read-only, live.

A process that follows the topics without a group: `follower` keeps a copy of the workers' state by
the same step, `stories` what happened and who was told; `views` says it as JSON, `server` answers,
`feed` tells every viewer what changed, `service` puts it together. `assets` is what the browser
gets.
"""
