"""The kinds of panels that there are: what all of one kind have in common is said once, here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboards.generator.words import FAIL, NO_DATA, PASS, UNKNOWN, WARN, Words, mappings
from grafana_foundation_sdk.builders import bargauge, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import common as cb
from grafana_foundation_sdk.builders import dashboard as db
from grafana_foundation_sdk.builders import prometheus as pb
from grafana_foundation_sdk.models import common as c
from grafana_foundation_sdk.models import dashboard as m
from grafana_foundation_sdk.models import prometheus as p

DATA_SOURCE = c.DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOKS = "${runbooks}"
#: a path of Grafana's own: it serves what is mounted below its folder `public`
RUNBOOKS_PUBLISHED = "/public/postgres-migrator/runbooks"
#: keeps the time, and what is chosen above
_VARIABLES = "${__url_time_range}&${datasource:queryparam}&${job:queryparam}&${instance:queryparam}"

Builder = Any


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What every panel has: a question as its title, and a description that answers "so what"."""

    title: str
    description: str
    width: int = 6
    height: int = 6
    unit: str = "none"
    #: alert whose runbook says what to do when it is red
    runbook: str = ""
    links: tuple[tuple[str, str], ...] = ()
    #: what stands there without data
    empty: str = NO_DATA
    words: Words = field(default_factory=dict)
    #: (from this value on, this colour), on top of grey
    steps: tuple[tuple[float | None, str], ...] = ()
    min: float | None = None
    max: float | None = None


def query(
    expr: str, legend: str = "", *, instant: bool = False, table: bool = False
) -> pb.Dataquery:
    """Ask Prometheus; `table` gives one row per series, with its labels as columns."""
    built = pb.Dataquery().expr(expr).datasource(DATA_SOURCE)
    if legend:
        built = built.legend_format(legend)
    if table:
        return built.instant().format(p.PromQueryFormat.TABLE)
    return built.instant() if instant else built.range()


def high_is_bad(warn: float, fail: float) -> tuple[tuple[float | None, str], ...]:
    """Steps for numbers that should be small."""
    return ((None, PASS), (warn, WARN), (fail, FAIL))


def low_is_bad(fail: float, warn: float) -> tuple[tuple[float | None, str], ...]:
    """Steps for numbers that should be large."""
    return ((None, FAIL), (fail, WARN), (warn, PASS))


def stat_panel(what: Panel, *queries: pb.Dataquery, sparkline: bool = False) -> Builder:
    """Big words or numbers, one per series."""
    built = (
        stat.Panel()
        .text_mode(c.BigValueTextMode.VALUE_AND_NAME)
        .color_mode(
            c.BigValueColorMode.BACKGROUND_SOLID if what.words else c.BigValueColorMode.VALUE
        )
        .graph_mode(c.BigValueGraphMode.AREA if sparkline else c.BigValueGraphMode.NONE)
        .reduce_options(cb.ReduceDataOptions().calcs(["last"]))
    )
    return _finish(built, what, queries)


def bars(what: Panel, *queries: pb.Dataquery) -> Builder:
    """Horizontal bars, one per series."""
    built = (
        bargauge.Panel()
        .orientation(c.VizOrientation.HORIZONTAL)
        .display_mode(c.BarGaugeDisplayMode.BASIC)
        .reduce_options(cb.ReduceDataOptions().calcs(["last"]))
    )
    return _finish(built, what, queries)


def graph(what: Panel, *queries: pb.Dataquery, limits: str = "", stack: bool = False) -> Builder:
    """Lines over time; series whose name matches `limits` are dashed."""
    built = (
        timeseries.Panel()
        .legend(
            cb.VizLegendOptions()
            .display_mode(c.LegendDisplayMode.TABLE)
            .placement(c.LegendPlacement.BOTTOM)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(
            cb.VizTooltipOptions().mode(c.TooltipDisplayMode.MULTI).sort(c.SortOrder.DESCENDING)
        )
        .color_scheme(db.FieldColor().mode(m.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .fill_opacity(30 if stack else 0)
        .line_width(2)
        .show_points(c.VisibilityMode.AUTO)
    )
    if stack:
        built = built.stacking(cb.StackingConfig().mode(c.StackingMode.NORMAL))
    if limits:
        dashed = c.LineStyle(fill="dash", dash=[10, 6])
        built = built.override_by_regexp(
            limits,
            [
                m.DynamicConfigValue(id_val="custom.lineStyle", value=dashed),
                m.DynamicConfigValue(
                    id_val="color", value={"mode": "fixed", "fixedColor": UNKNOWN}
                ),
            ],
        )
    return _finish(built, what, queries)


def timeline(what: Panel, *queries: pb.Dataquery) -> Builder:
    """States over time, one line per series, with the word in it."""
    built = (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(c.VisibilityMode.AUTO)
        .row_height(0.85)
        .fill_opacity(85)
        .legend(
            cb.VizLegendOptions()
            .display_mode(c.LegendDisplayMode.LIST)
            .placement(c.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    return _finish(built, what, queries)


@dataclass(frozen=True)
class Column:
    """One column of a table: its field, its heading, and how it is shown."""

    field: str
    title: str
    unit: str = ""
    mappings: Sequence[m.ValueMapping] = ()
    #: colour the cell by its mapping
    colored: bool = False
    width: int = 0
    link: tuple[str, str] | None = None


def table_panel(
    what: Panel,
    columns: Sequence[Column],
    *queries: pb.Dataquery,
    sort: str = "",
    descending: bool = False,
    transformations: Sequence[m.DataTransformerConfig] = (),
) -> Builder:
    """Rows of words and numbers; only `columns` are shown, in their order, or all there are."""
    built = table.Panel().cell_height(c.TableCellHeight.SM)
    steps = list(transformations)
    if len(queries) > 1:
        steps.append(m.DataTransformerConfig(id_val="merge", options={}))
    if columns:
        steps.append(m.DataTransformerConfig(id_val="organize", options=_organized(columns)))
    if what.words:
        cell = {"type": "color-background", "mode": "basic"}
        numbers = [m.DynamicConfigValue(id_val="custom.cellOptions", value=cell)]
        built = built.override_by_field_type("number", numbers)
    built = built.transformations(steps)
    for column in columns:
        built = built.override_by_name(column.title, _properties(column))
    if sort:
        built = built.sort_by([cb.TableSortByFieldState().display_name(sort).desc(descending)])
    return _finish(built, what, queries)


def _organized(columns: Sequence[Column]) -> dict[str, Any]:
    return {
        "includeByName": {column.field: True for column in columns},
        "indexByName": {column.field: index for index, column in enumerate(columns)},
        "renameByName": {column.field: column.title for column in columns},
    }


def _properties(column: Column) -> list[m.DynamicConfigValue]:
    # the text of an empty table would stand in every empty cell otherwise
    found = [
        m.DynamicConfigValue(id_val="noValue", value="-"),
        m.DynamicConfigValue(id_val="mappings", value=list(column.mappings)),
    ]
    if column.unit:
        found.append(m.DynamicConfigValue(id_val="unit", value=column.unit))
    if column.colored:
        cell = {"type": "color-background", "mode": "basic"}
        found.append(m.DynamicConfigValue(id_val="custom.cellOptions", value=cell))
    if column.width:
        found.append(m.DynamicConfigValue(id_val="custom.width", value=column.width))
    if column.link:
        title, url = column.link
        link = {"title": title, "url": url, "targetBlank": True}
        found.append(m.DynamicConfigValue(id_val="links", value=[link]))
    return found


def matrix(row: str, column: str, title: str) -> tuple[m.DataTransformerConfig, ...]:
    """Turn a list of rows into a matrix, with a heading for what the rows are."""
    return (
        m.DataTransformerConfig(
            id_val="groupingToMatrix",
            options={
                "columnField": column,
                "rowField": row,
                "valueField": "Value",
                "emptyValue": "null",
            },
        ),
        m.DataTransformerConfig(
            id_val="organize", options={"renameByName": {f"{row}\\{column}": title}}
        ),
    )


def to_mapping(title: str = "Details of this mapping") -> tuple[str, str]:
    """Link to the detail dashboard of the mapping in the row or series."""
    return (
        title,
        f"/d/pgmigrator-mapping?{_VARIABLES}&var-mapping=${{__field.labels.mapping}}&var-database=$__all",
    )


def row_to_mapping() -> tuple[str, str]:
    """Link to the detail dashboard from a row of a table."""
    chosen = "var-mapping=${__data.fields.Mapping}&var-database=$__all"
    return ("Details of this mapping", f"/d/pgmigrator-mapping?{_VARIABLES}&{chosen}")


def runbook(alert: str) -> tuple[str, str]:
    """Link to a runbook."""
    return (f"Runbook: {alert}", f"{RUNBOOKS}/{alert}.md")


def _finish(built: Builder, what: Panel, queries: Sequence[pb.Dataquery]) -> Builder:
    built = (
        built.title(what.title)
        .description(what.description)
        .datasource(DATA_SOURCE)
        .unit(what.unit)
        .no_value(what.empty)
        .span(what.width)
        .height(what.height)
    )
    steps = what.steps or ((None, UNKNOWN),)
    built = built.thresholds(
        db.ThresholdsConfig()
        .mode(m.ThresholdsMode.ABSOLUTE)
        .steps([m.Threshold(value=value, color=color) for value, color in steps])
    )
    built = built.mappings(mappings(what.words, what.empty))
    for bound, setter in ((what.min, "min"), (what.max, "max")):
        if bound is not None:
            built = getattr(built, setter)(bound)
    for letter, each in zip("ABCDEFGH", queries, strict=False):
        built = built.with_target(each.ref_id(letter))
    links = [*what.links, *([runbook(what.runbook)] if what.runbook else [])]
    if links:
        built = built.data_links(
            [db.DashboardLink(title).url(url).target_blank(True) for title, url in links]
        )
    return built


def heading(title: str) -> db.Row:
    """Begin a section."""
    return db.Row(title)


def dashboard(
    uid: str, title: str, description: str, sections: Mapping[str, Sequence[Builder]]
) -> Any:
    """Put a dashboard together; the section without a name comes first, above all rows."""
    built = (
        db.Dashboard(f"Postgres Migrator / {title}")
        .uid(uid)
        .description(description)
        .tags(["postgres-migrator"])
        .timezone("utc")
        .time("now-1h", "now")
        .refresh("5s")
        .readonly()
        .tooltip(m.DashboardCursorSync.CROSSHAIR)
        .link(
            db.DashboardLink("Postgres Migrator")
            .type(m.DashboardLinkType.DASHBOARDS)
            .tags(["postgres-migrator"])
            .as_dropdown(False)
            .include_vars(True)
            .keep_time(True)
        )
    )
    for variable in _variables():
        built = built.with_variable(variable)
    for name, contents in sections.items():
        if name:
            built = built.with_row(heading(name))
        for panel in contents:
            built = built.with_panel(panel)
    return built.build()


def _variables() -> list[Builder]:
    build_info = "pgmigrator_build_info"
    target = 'job=~"$job",instance=~"$instance"'
    return [
        db.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _labels("job", "Job", f"label_values({build_info}, job)"),
        _labels("instance", "Instance", f'label_values({build_info}{{job=~"$job"}}, instance)'),
        _labels(
            "mapping", "Mapping", f"label_values(pgmigrator_mapping_info{{{target}}}, mapping)"
        ),
        _labels(
            "database",
            "Database",
            f'label_values(pgmigrator_database_phase{{{target},mapping=~"$mapping"}}, database)',
        ),
        db.ConstantVariable("runbooks")
        .label("Where the runbooks are published")
        .value(RUNBOOKS_PUBLISHED),
    ]


def _labels(name: str, label: str, definition: str) -> db.QueryVariable:
    return (
        db.QueryVariable(name)
        .label(label)
        .datasource(DATA_SOURCE)
        .query(definition)
        .definition(definition)
        .refresh(m.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(m.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(m.VariableOption(text=["All"], value=["$__all"], selected=True))
    )
