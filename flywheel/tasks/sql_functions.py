"""The functions and types a SQL statement may name: a reviewed list, not what the engine happens to offer.

Every entry computes on its arguments alone. Left out on purpose: whatever reads files, settings, the session or the
catalogue, whatever writes or waits, whatever takes SQL, a table name, a type or a function's name as text, and the
raw aggregate states. Cost is no reason to leave a function out; the sandbox's limits answer for it.
Knows nothing of statements; `sql_rules` does.
"""


def words(text: str) -> frozenset[str]:
    """The words of `text`, so that long lists stay readable."""
    return frozenset(text.split())


OPERATORS = words("+ - * / // % ** ^ & | << >> ~ !__postfix @ || ~~ !~~ ~~* !~~* ~~~ ^@ @> <@ && ->> <-> <=>")

_COMPARISON = """
    contains ends_with starts_with prefix suffix greatest least if nullif
    isfinite isinf isnan like_escape not_like_escape ilike_escape not_ilike_escape
    regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
    regexp_split_to_array regexp_split_to_table
"""

_AGGREGATES = """
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null arg_max_nulls_last
    arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and bit_or bit_xor bitstring_agg bool_and
    bool_or corr count count_if count_star countif covar_pop covar_samp entropy favg first fsum geomean geometric_mean
    group_concat histogram histogram_exact kahan_sum kurtosis kurtosis_pop last list listagg lttb mad max max_by mean
    median min min_by mode product quantile quantile_cont quantile_disc regr_avgx
    regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy reservoir_quantile sem skewness
    stddev stddev_pop stddev_samp string_agg sum sum_no_overflow sumkahan var_pop var_samp variance wavg weighted_avg
"""

_WINDOW = """
    cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank rank_dense row_number
"""

_NUMBERS = """
    abs acos acosh add asin asinh atan atan2 atanh bin bit_count bit_length bit_position bitstring cbrt ceil ceiling
    cos cosh cot degrees divide equi_width_bins even exp factorial fdiv floor fmod gamma gcd get_bit
    greatest_common_divisor hash hex lcm least_common_multiple lgamma ln log log10 log2 mod multiply nextafter pi pow
    power radians random round round_even roundbankers set_bit sign signbit sin sinh sqrt subtract tan tanh to_base
    to_binary to_hex trunc unbin unhex from_binary from_hex xor
"""

_TEXT = """
    ascii bar base64 char_length character_length chr concat concat_ws damerau_levenshtein decode editdist3 encode
    format format_bytes formatreadabledecimalsize formatreadablesize from_base64 gen_random_uuid hamming instr jaccard
    jaro_similarity jaro_winkler_similarity lcase left left_grapheme length length_grapheme len levenshtein lower lpad
    ltrim md5 md5_number md5_number_lower md5_number_upper mismatches nfc_normalize octet_length ord overlay
    parse_formatted_bytes pg_size_pretty position printf repeat replace reverse right right_grapheme rpad rtrim sha1
    sha256 split split_part str_split str_split_regex string_split string_split_regex string_to_array strip_accents
    strlen strpos substr substring substring_grapheme to_base64 translate trim ucase unicode upper url_decode
    url_encode uuid uuidv4 uuidv7 typeof
"""

_TIME = """
    age ago century date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname
    dayofmonth dayofweek dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era get_current_time
    get_current_timestamp current_date current_localtime current_localtimestamp hour isodow isoyear julian last_day
    make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium
    millisecond minute month monthname nanosecond normalized_interval now quarter second strftime strptime time_bucket
    timezone timezone_hour timezone_minute to_centuries to_days to_decades to_hours to_microseconds to_millennia
    to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp to_weeks to_years today
    transaction_timestamp try_strptime week weekday weekofyear year yearweek
"""

_NESTED = """
    apply array_append array_apply array_cat array_concat array_contains array_cosine_distance
    array_cosine_similarity array_cross_product array_distance array_distinct array_dot_product array_extract
    array_filter array_grade_up array_has array_has_all array_has_any array_indexof array_inner_product
    array_intersect array_length array_pop_back array_pop_front array_position array_prepend array_push_back
    array_push_front array_reduce array_resize array_reverse array_reverse_sort array_select array_slice array_sort
    array_to_string array_to_string_comma_default array_transform array_unique array_value array_where array_zip
    cardinality element_at filter flatten generate_series generate_subscripts grade_up list_any_value list_append
    list_apply list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and list_bool_or
    list_cat list_concat list_contains list_cosine_distance list_cosine_similarity list_count list_distance
    list_distinct list_dot_product list_element list_entropy list_extract list_filter list_first list_grade_up
    list_has list_has_all list_has_any list_histogram list_indexof list_inner_product list_intersect list_kurtosis
    list_kurtosis_pop list_last list_mad list_max list_median list_min list_mode list_pack list_position list_prepend
    list_product list_reduce list_resize list_reverse list_reverse_sort list_select list_sem list_skewness list_slice
    list_sort list_stddev_pop list_stddev_samp list_string_agg list_sum list_transform list_unique list_value
    list_var_pop list_var_samp list_where list_zip map map_concat map_contains map_contains_entry map_contains_value
    map_entries map_extract map_extract_value map_from_entries map_keys map_values range reduce row struct_concat
    struct_contains struct_extract struct_extract_at struct_has struct_indexof struct_insert struct_keys struct_pack
    struct_position struct_update struct_values union_extract union_tag union_value unnest unpivot_list
"""

_JSON = """
    array_to_json json json_array json_array_length json_contains json_deep_merge json_exists json_extract
    json_extract_path json_extract_path_text json_extract_string json_group_array json_group_object json_insert
    json_keys json_merge_patch json_object json_pretty json_quote json_remove json_replace json_set json_strip_nulls
    json_structure json_type json_valid json_value row_to_json to_json
"""

FUNCTIONS = OPERATORS | words(_COMPARISON + _AGGREGATES + _WINDOW + _NUMBERS + _TEXT + _TIME + _NESTED + _JSON)

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})

TYPES = words("""
    bigint int8 long bit bitstring blob bytea binary varbinary boolean bool logical date decimal dec numeric double
    float8 float real float4 hugeint int128 integer int int4 signed interval json smallint int2 short time timetz
    timestamp timestamptz timestamp_s timestamp_ms timestamp_us timestamp_ns datetime tinyint int1 ubigint uint64
    uhugeint uint128 uinteger uint32 usmallint uint16 utinyint uint8 uuid guid varchar char bpchar text string
    nvarchar bignum varint array list struct row map enum union null
""") | {"time with time zone", "timestamp with time zone", "timestamp without time zone"}  # fmt: skip

# Words the engine turns into calls when no column bears the name. The clock is ordinary; the session is not.
SESSION_WORDS = frozenset({
    "user", "current_user", "session_user", "current_role", "current_catalog", "current_schema", "current_database",
    "current_query", "current_schemas",
})  # fmt: skip
