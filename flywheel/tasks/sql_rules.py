"""What a statement may hold: the rules that judge a SQL text by the engine's own parse tree. Pure; it parses nothing.

The tree comes from `json_serialize_sql` (the child program makes it); a closed list of keys, node types, functions,
types and tables decides. Whatever the lists do not name is refused, so a newer engine's new syntax is refused until
somebody has looked at it. The text is never rebuilt from the tree: what was judged is what runs.

Names follow the engine: letters A-Z only are folded. A name counts as defined by WITH only where the engine surely
sees it (later entries, the query itself, the recursive half); anywhere else it must be an allowed table.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flywheel.tasks.sql_functions import FUNCTIONS, SESSION_WORDS, TABLE_FUNCTIONS, TYPES, words
from flywheel.words.catalogue import say

MAX_BYTES = 10_000

_FENCE = re.compile(r"```(?:[\w+-]+(?=[ \t]*\r?\n)|(?:sql|duckdb)(?=\s))?(.*)```", re.DOTALL | re.IGNORECASE)
_FOLD = str.maketrans({chr(code): chr(code + 32) for code in range(ord("A"), ord("Z") + 1)})

_KEYS = words("""
    aggregate_handling aggregates alias aliases arg_orders arguments case_checks catalog catalog_name child children
    class collation column column_name_alias column_names columns comparison_type condition cte_map cte_name
    default_expr delim_flipped distinct distinct_on_targets else_expr end end_expr entries exclude_clause exclude_list
    export_state expr expression filter filter_expr from_table function function_name group_expressions group_sets
    groups has_ignore_nulls having id ignore_nulls include_nulls index input is_implicit is_null is_operator
    is_percentage join_type key kind left lhs limit limit_type literal lower map materialized method modifiers name
    nearest_approx nearest_count nearest_order_type node null_order offset offset_expr order_bys orders partitions
    path pivot_expressions pivots qualified_name qualify query_location query_location_length query_node ref_type
    relation_name rename_list repeatable replace_list right sample sample_rate sample_size schema schema_name seed
    select_list setop_all setop_type source star_expr start start_expr subquery subquery_type syntax_type table_name
    text then_expr try_cast type type_expr type_name union_all unpivot_names upper using_columns value values
    when_expr where_clause with_ordinality
""")  # fmt: skip
_CLASSES = words("""
    BETWEEN CASE CAST COLLATE COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION LAMBDA OPERATOR
    POSITIONAL_REFERENCE STAR SUBQUERY TYPE WINDOW
""")  # fmt: skip
_EXPRESSIONS = words("""
    ARRAY_CONSTRUCTOR ARRAY_EXTRACT ARRAY_SLICE ARROW CASE_EXPR COLLATE COLUMN_REF COMPARE_BETWEEN
    COMPARE_DISTINCT_FROM COMPARE_EQUAL COMPARE_GREATERTHAN COMPARE_GREATERTHANOREQUALTO COMPARE_IN COMPARE_LESSTHAN
    COMPARE_LESSTHANOREQUALTO COMPARE_NOTEQUAL COMPARE_NOT_BETWEEN COMPARE_NOT_DISTINCT_FROM COMPARE_NOT_IN
    CONJUNCTION_AND CONJUNCTION_OR FUNCTION GROUPING_FUNCTION LAMBDA OPERATOR_CAST OPERATOR_COALESCE
    OPERATOR_IS_NOT_NULL OPERATOR_IS_NULL OPERATOR_NOT OPERATOR_NULLIF OPERATOR_TRY OPERATOR_UNPACK
    POSITIONAL_REFERENCE STAR STRUCT_EXTRACT SUBQUERY TYPE VALUE_CONSTANT WINDOW_AGGREGATE WINDOW_CUME_DIST
    WINDOW_FILL WINDOW_FIRST_VALUE WINDOW_LAG WINDOW_LAST_VALUE WINDOW_LEAD WINDOW_NTH_VALUE WINDOW_NTILE
    WINDOW_PERCENT_RANK WINDOW_RANK WINDOW_RANK_DENSE WINDOW_ROW_NUMBER
""")  # fmt: skip
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"})
_PARTS = _QUERIES | words("""
    ASCENDING BASE_TABLE DESCENDING DISTINCT_MODIFIER EMPTY EXPRESSION_LIST JOIN LIMIT_MODIFIER ORDER_DEFAULT
    ORDER_MODIFIER PIVOT SUBQUERY TABLE_FUNCTION
""")  # fmt: skip
_WHY_NOT = {
    "SHOW_REF": "show",
    "VALUE_PARAMETER": "parameter",
    "INSERT_QUERY_NODE": "insert",
    "UPDATE_QUERY_NODE": "update",
    "DELETE_QUERY_NODE": "delete",
    "COPY_QUERY_NODE": "copy",
}


@dataclass(frozen=True)
class Verdict:
    """`reason` is empty when accepted, else one plain sentence."""

    accepted: bool
    reason: str


class _Refusal(Exception):
    """Carries the reason out of the walk."""


def strip_fence(text: str) -> str:
    """`text` trimmed and without the one markdown fence around it, if it has one; words around a fence stay."""
    trimmed = text.strip()
    fenced = _FENCE.fullmatch(trimmed)
    if fenced is None or "```" in fenced.group(1):
        return trimmed
    return fenced.group(1).strip()


def text_problem(statement: str) -> str | None:
    """Why `statement` is not even handed to the parser, in one sentence; None when it is."""
    try:
        size = len(statement.encode("utf-8"))
    except UnicodeEncodeError:
        return say("guard.half_character")
    if not statement.strip():
        return say("guard.empty")
    if size > MAX_BYTES:
        return say("guard.too_long", bytes=f"{size:,}", most=f"{MAX_BYTES:,}")
    if "\0" in statement:
        return say("guard.nul")
    return None


def judge(parsed: Mapping[str, Any], tables: Mapping[str, Collection[str]] | Collection[str]) -> Verdict:
    """The verdict on the child's answer to `parse`: {"tree": JSON text, "kinds": [statement type], "parameters": n}.

    `tables`: the allowed names, or name → its columns (a column may bear a session word such as `user`).
    """
    try:
        _judge(parsed, tables)
    except _Refusal as refusal:
        return Verdict(False, str(refusal))
    except RecursionError:
        return Verdict(False, say("guard.too_deep"))
    except (LookupError, TypeError, AttributeError, ValueError):
        # A tree of another shape than the rules know is refused like any other unknown.
        return Verdict(False, say("guard.structure"))
    return Verdict(True, "")


def _judge(parsed: Mapping[str, Any], tables: Mapping[str, Collection[str]] | Collection[str]) -> None:
    tree = json.loads(parsed["tree"])
    if tree["error"]:
        raise _Refusal(_unreadable(str(tree.get("error_type", "")), str(tree.get("error_message", ""))))
    statements, kinds = tree.get("statements", []), parsed["kinds"]
    if not statements:
        raise _Refusal(say("guard.no_statement"))
    if len(statements) > 1 or len(kinds) != 1:
        raise _Refusal(say("guard.one_statement"))
    if kinds != ["SELECT"]:
        raise _Refusal(say("guard.only_select"))
    if parsed["parameters"] or "named_param_map" in statements[0]:
        raise _Refusal(say("guard.not.parameter"))
    columns = [column for table in tables for column in tables[table]] if isinstance(tables, Mapping) else []
    walk = _Walk(frozenset(map(_fold, tables)), frozenset(map(_fold, columns)))
    walk.visit(statements[0], frozenset())


def _unreadable(kind: str, message: str) -> str:
    if kind == "not implemented":
        return say("guard.only_select")
    if "expression depth" in message:
        return say("guard.too_deep")
    first = message.splitlines()[0] if message else say("guard.unknown_syntax")
    return say("guard.unreadable", said=_printable(first[:200]).rstrip("."))


def _fold(name: str) -> str:
    return name.translate(_FOLD)


class _Walk:
    """Visits every part of a tree; `seen` are the names WITH has defined where the part stands."""

    def __init__(self, tables: frozenset[str], columns: frozenset[str]) -> None:
        self._tables = tables
        self._columns = columns

    def visit(self, part: Any, seen: frozenset[str]) -> None:
        if isinstance(part, list):
            for child in part:
                self.visit(child, seen)
        elif isinstance(part, dict):
            self._visit_dict(part, seen)

    def _visit_dict(self, part: dict[str, Any], seen: frozenset[str]) -> None:
        self._judge_kind(part)
        unknown = sorted(part.keys() - _KEYS)
        if unknown:
            raise _Refusal(say("guard.syntax", syntax=unknown[0]))
        kind = str(part.get("type"))
        if kind in _QUERIES and "class" not in part:
            self._visit_query(part, seen)
            return
        if kind == "BASE_TABLE":
            self._judge_table(_path(part), seen)
        elif kind == "TABLE_FUNCTION":
            self._judge_function(part["function"], TABLE_FUNCTIONS, "table_function")
        for child in part.values():
            self.visit(child, seen)

    def _visit_query(self, part: dict[str, Any], seen: frozenset[str]) -> None:
        for entry in part.get("cte_map", {}).get("map", []):
            self.visit(entry["value"], seen)
            seen |= {_fold(entry["key"])}
        rest = {key: child for key, child in part.items() if key not in ("cte_map", "right")}
        self.visit(list(rest.values()), seen)
        # Only the recursive half sees the name of its own WITH entry; in the other half it is a table.
        own = {_fold(part["cte_name"])} if part["type"] == "RECURSIVE_CTE_NODE" else set()
        self.visit(part.get("right"), seen | own)

    def _judge_kind(self, part: dict[str, Any]) -> None:
        kind, family = part.get("type"), part.get("class")
        if family is None and not isinstance(kind, str):
            return
        allowed = kind in _PARTS if family is None else family in _CLASSES and kind in _EXPRESSIONS
        if not allowed:
            why = _WHY_NOT.get(str(kind))
            raise _Refusal(say(f"guard.not.{why}") if why else say("guard.syntax", syntax=kind))
        if family in ("FUNCTION", "WINDOW"):
            # A call in FROM stands in the tree as an ordinary function too; it has been judged as what it is.
            self._judge_function(part, FUNCTIONS | TABLE_FUNCTIONS, "function")
        elif family == "TYPE":
            self._judge_type(_path(part))
        elif family == "COLUMN_REF":
            self._judge_column(part["column_names"])

    def _judge_function(self, part: dict[str, Any], allowed: frozenset[str], noun: str) -> None:
        path = _path(part)
        if len(path) != 1 or _fold(path[0]) not in allowed or _fold(part["function_name"]) not in allowed:
            raise _Refusal(say(f"guard.{noun}", name=_shown(path)))
        if part.get("export_state"):
            raise _Refusal(say("guard.export_state"))

    def _judge_type(self, path: list[str]) -> None:
        if len(path) != 1 or _fold(path[0]) not in TYPES:
            raise _Refusal(say("guard.type", name=_shown(path)))

    def _judge_table(self, path: list[str], seen: frozenset[str]) -> None:
        folded = [_fold(name) for name in path]
        if len(folded) == 1 and folded[0] in seen:
            return
        if len(folded) == 2 and folded[0] == "main":
            folded = folded[1:]
        if len(folded) != 1 or folded[0] not in self._tables:
            raise _Refusal(say("guard.table", name=_shown(path)))

    def _judge_column(self, names: list[str]) -> None:
        word = _fold(names[0])
        if len(names) == 1 and word in SESSION_WORDS and word not in self._columns:
            raise _Refusal(say("guard.session", word=word))


def _path(part: dict[str, Any]) -> list[str]:
    path: list[str] = part.get("qualified_name", {}).get("path", [])
    return path


def _shown(path: list[str]) -> str:
    return _printable(".".join(path)[:80])


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
