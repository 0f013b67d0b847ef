"""What SQLite behind sldb can do, as the dialect suite of SQLAlchemy asks for it: by the names of its requirements.

The suite runs a test if what it requires is open, skips it if that is closed, and wants it to fail where it fails.
"""

from sqlalchemy.testing import exclusions
from sqlalchemy.testing.requirements import SuiteRequirements

_OPEN = """
    aggregate_order_by autocommit boolean_col_expressions check_constraint_reflection computed_columns
    computed_columns_reflect_persisted computed_columns_stored computed_columns_virtual create_table_as
    create_temp_table_as ctes ctes_with_values date_historic datetime_historic datetime_literals except_
    expression_server_defaults fetch_expression fetch_offset_with_options
    fk_constraint_option_reflection_ondelete_noaction fk_constraint_option_reflection_ondelete_restrict
    fk_constraint_option_reflection_onupdate_restrict float_or_double_precision_behaves_generically
    foreign_key_constraint_name_reflection foreign_key_constraint_option_reflection_ondelete
    foreign_key_constraint_option_reflection_onupdate index_ddl_if_exists indexes_check_column_order
    indexes_with_expressions infinity_floats inline_check_constraint_reflection intersect isolation_level
    json_array_indexes json_type legacy_unconditional_json_extract mod_operator_as_percent_sign non_updating_cascade
    nullsordering nvarchar_types order_by_collation order_by_label_with_expression percent_schema_names
    precision_numerics_enotation_small precision_numerics_retains_significant_digits reflect_table_options
    reflects_pk_names regexp_match repeated_column_foreign_keys repeated_remote_col_foreign_keys server_defaults
    skip_autocommit_rollback supports_bitwise_and supports_bitwise_not supports_bitwise_or supports_bitwise_shift
    supports_bitwise_xor table_ddl_if_exists tuple_in tuple_in_w_empty unicode_ddl update_from view_column_reflection
    view_reflection views window_functions window_range window_range_numeric
"""

_CLOSED = {
    "SQLite's dialect lacks it": """
        implicitly_named_constraints json_index_supplementary_unicode_element nested_aggregates on_update_cascade
        on_update_or_deferrable_fks
    """,
    "the suite counts on it that no foreign key is enforced": "foreign_keys",
    "an attached database is read-only": "schemas",
    "a temporary table ends with its transaction": """
        temporary_tables temp_table_reflection temp_table_reflect_indexes
    """,
    "SQLite's dialect is tested with one connection at a time": "independent_connections",
}

_FAILING = """
    cast_precision_numerics_many_significant_digits emulated_lastrowid emulated_lastrowid_even_with_sequences
    numeric_received_as_decimal_untyped parens_in_union_contained_select_w_limit_offset
    parens_in_union_contained_select_wo_limit_offset precision_numerics_many_significant_digits
"""


class Requirements(SuiteRequirements):
    def get_order_by_collation(self, config):
        return "NOCASE"


def _set(name, rule):
    if hasattr(SuiteRequirements, name):  # versions have different ones
        setattr(Requirements, name, property(lambda _: rule()))


for _name in _OPEN.split():
    _set(_name, exclusions.open)
for _reason, _names in _CLOSED.items():
    for _name in _names.split():
        _set(_name, lambda reason=_reason: exclusions.closed(reason))
for _name in _FAILING.split():
    _set(_name, lambda: exclusions.fails("SQLite does so"))
