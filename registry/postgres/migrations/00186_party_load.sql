-- +goose Up

-- How many declarations in force and approved drafts all positions of a party
-- have, without those of one person. It counts with its owner's eyes: the wall
-- asks its question of each of a doctor's 1,800 rows, and the number tells
-- nobody's data. Every name is qualified, as in person_known_to.
-- +goose StatementBegin
CREATE FUNCTION party_load(party uuid, person uuid) RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT pg_catalog.count(*) FROM public.employees e JOIN public.declarations d ON d.employee_id OPERATOR(pg_catalog.=) e.id
             WHERE e.party_id OPERATOR(pg_catalog.=) $1 AND d.status OPERATOR(pg_catalog.=) ANY (ARRAY['active', 'pending_verification']::pg_catalog.text[]))
        OPERATOR(pg_catalog.-) (SELECT pg_catalog.count(*) FROM public.declarations d JOIN public.employees e ON e.id OPERATOR(pg_catalog.=) d.employee_id
             WHERE d.person_id OPERATOR(pg_catalog.=) $2 AND d.status OPERATOR(pg_catalog.=) ANY (ARRAY['active', 'pending_verification']::pg_catalog.text[])
               AND e.party_id OPERATOR(pg_catalog.=) $1)
        OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM public.drafts r
             WHERE r.party_id OPERATOR(pg_catalog.=) $1 AND r.status OPERATOR(pg_catalog.=) ANY (ARRAY['APPROVED', 'PENDING']::pg_catalog.text[])
               AND r.kind OPERATOR(pg_catalog.=) 'declaration' AND r.person_id IS DISTINCT FROM $2);
END
$$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION party_load FROM PUBLIC;
GRANT EXECUTE ON FUNCTION party_load TO mist_app;
