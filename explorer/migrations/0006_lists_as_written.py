from django.db import migrations

# In a schema that is named, like all that they call: a restored dump computes them with an empty
# search path. What reads a literal's escapes is called where there are any.
FUNCTIONS = r"""
CREATE OR REPLACE FUNCTION public.explorer_split_names(list text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT public.explorer_split_list(
        -- Where no name stands before a suffix, it is one.
        regexp_replace(
            regexp_replace(
                list,
                ',(?!\s*(?:inc|incorporated|llc|l\.l\.c|llp|lp|ltd|limited|co|co\.? ?ltd|company|corp'
                '|corporation|plc|pty|pty\.? ltd|pte|pte\.? ltd|pvt\.? ltd'
                '|gmbh|ag|kg|kgaa|ug|(?:(?:gmbh|ag|se|ug)\s*)?&\s*co\.?(?:\s*(?:kg|kgaa|ohg))?'
                '|ab|as|a\.s|aps|oy|bv|b\.v|nv|n\.v|sa|s\.a|sas|s\.a\.s|sarl|sl|s\.l|s\.l\.u'
                '|s\.? ?a\.? de c\.? ?v|s\.? de r\.? ?l|s\.? de r\.? ?l\.? de c\.? ?v'
                '|srl|s\.r\.l|spa|s\.p\.a|sro|s\.r\.o|lda|ltda|kft|kk|k\.k)'
                '\.?\s*(?:,|$))',
                E'\x1f', 'gi'),
            E'(^|\x1f)[\\s,]+', '\1', 'g'),
        E'\x1f')
$$;

-- What Python's escapes stand for. What it cannot read, and what PostgreSQL cannot store, NUL and
-- halves of surrogate pairs, stays as it is written, and so does a character by its name.
CREATE OR REPLACE FUNCTION public.explorer_read_escapes(written text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT string_agg(
               CASE
                   WHEN code BETWEEN 1 AND 55295 OR code BETWEEN 57344 AND 1114111 THEN chr(code)
                   WHEN found[2] IN ('\', '''', '"') THEN found[2]
                   WHEN found[2] = E'\n' THEN ''
                   WHEN found[2] IN ('a', 'b', 'f', 'n', 'r', 't', 'v')
                       THEN translate(found[2], 'abfnrtv', E'\x07\b\f\n\r\t\x0b')
                   ELSE found[1]
               END, '' ORDER BY place)
      FROM regexp_matches(
               written,
               '(\\([0-7]{1,3}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)|[^\\]+|\\)', 'g')
               WITH ORDINALITY AS part (found, place),
           LATERAL (SELECT lpad(found[2], 3, '0') AS digits) AS octal,
           LATERAL (SELECT CASE
               WHEN found[2] ~ '^[0-7]' THEN
                   64 * left(digits, 1)::int + 8 * substr(digits, 2, 1)::int + right(digits, 1)::int
               WHEN found[2] ~ '^[xuU].' THEN
                   ('x' || lpad(substr(found[2], 2), 8, '0'))::bit(32)::int
           END AS code) AS number
$$;

-- A list as Python writes it: ['English', "Côte d'Ivoire"].
CREATE OR REPLACE FUNCTION public.explorer_read_literals(list text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN list ~ '^\s*\[.*\]\s*$' THEN ARRAY(
            SELECT element
              FROM regexp_matches(
                       list, $r$'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"$r$, 'g')
                       WITH ORDINALITY AS part (found, place),
                   LATERAL (SELECT coalesce(found[1], found[2]) AS written) AS literal,
                   LATERAL (SELECT CASE
                       WHEN strpos(written, '\') > 0 THEN public.explorer_read_escapes(written)
                       ELSE written
                   END AS element) AS value
             GROUP BY element ORDER BY min(place))
        ELSE public.explorer_split_list(list)
    END
$$;
"""

RECOMPUTE = """
UPDATE explorer_game
   SET supported_languages = supported_languages, developers = developers, publishers = publishers
 WHERE supported_languages_list
       IS DISTINCT FROM public.explorer_read_literals(supported_languages)
    OR developers_list IS DISTINCT FROM public.explorer_split_names(developers)
    OR publishers_list IS DISTINCT FROM public.explorer_split_names(publishers)
"""

# Nobody noted so far what became of their rows.
DOUBT_IMPORTS = "UPDATE imports_import SET is_whole = false WHERE dataset = 'games'"


class Migration(migrations.Migration):
    dependencies = [
        ("explorer", "0005_zones_of_trips"),
        ("imports", "0004_rows_of_others"),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
        migrations.RunSQL(RECOMPUTE, migrations.RunSQL.noop),
        migrations.RunSQL(DOUBT_IMPORTS, migrations.RunSQL.noop),
    ]
