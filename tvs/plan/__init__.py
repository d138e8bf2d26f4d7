"""Plans: the behaviour of phones after a change of the cluster, before it is made.

    plan = plan_change(held, before, after, now)
    plan.safe, plan.findings, plan.outcomes

Pure functions over values; `tvs.cluster` makes situations and changes, `tvs.manage.held` the lists that phones hold.
"""
