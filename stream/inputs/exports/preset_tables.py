# whole: one table per helpdesk, to be compared with each other
"""Where ten helpdesks put the fields of a ticket in their exports.

Names of columns are compared without case, in English and in some other languages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Names = Mapping[str, tuple[str, ...]]

AREAS: Final = (
    "product area", "product_area", "area", "component", "components", "component/s", "module",
    "feature", "product", "product name", "produkt", "produit", "producto", "category",
    "kategorie", "catégorie", "categoría", "subcategory",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Export format of one helpdesk.

    Attributes:
        name: Name for ``--preset``.
        signature: Groups of columns; a table is recognized if it has one of each group.
        columns: Possible columns of each field, best first.
        keys: Groups of keys of a JSON object by which it is recognized.
        paths: Possible paths of each field in JSON, best first.
    """

    name: str
    signature: Sequence[tuple[str, ...]] = ()
    columns: Names = field(default_factory=dict)
    keys: Sequence[tuple[str, ...]] = ()
    paths: Names = field(default_factory=dict)


ZENDESK: Final = Preset(
    name="zendesk",
    signature=(
        ("id", "ticket id", "ticket-id"),
        ("created at", "requested", "erstellt am", "créé le", "creado el",
         "ticket created - timestamp", "created at - timestamp"),
        ("summation column", "requester id", "requester external id", "requester domain", "via",
         "assignee stations", "satisfaction score", "ticket form", "ticket group",
         "ticket organization name"),
    ),
    columns={
        "ticket_id": ("id", "ticket id", "ticket-id"),
        "created_at": ("created at", "requested", "ticket created - timestamp",
                       "created at - timestamp", "erstellt am", "créé le", "creado el"),
        "product_area": (*AREAS, "about", "ticket form", "brand", "ticket group", "group",
                         "gruppe", "groupe", "grupo"),
        "issue_type": ("issue type", "reason", "contact reason", "ticket type", "type"),
        "subject": ("subject", "ticket subject", "betreff", "sujet", "asunto"),
        "body": ("description", "comment", "beschreibung"),
        "customer.id": ("organization", "ticket organization name", "organisation",
                        "organización", "requester external id", "requester id",
                        "requester email", "requester", "anfragesteller", "demandeur",
                        "solicitante"),
        "channel": ("via", "channel", "ticket channel", "kanal", "canal"),
        "priority": ("priority", "ticket priority", "priorität", "priorité", "prioridad"),
        "tags": ("tags", "ticket tags", "stichwörter", "marqueurs", "etiquetas"),
        "solved_at": ("solved at", "ticket solved - timestamp"),
    },
    keys=(("requester_id", "requester"), ("via", "brand_id", "ticket_form_id"),
          ("created_at",)),
    paths={
        "ticket_id": ("id",),
        "created_at": ("created_at",),
        "product_area": ("product_area", "group.name", "ticket_form.name", "brand.name",
                         "ticket_form_id", "group_id", "type"),
        "issue_type": ("type",),
        "subject": ("subject", "raw_subject"),
        "body": ("description",),
        "customer.id": ("organization.name", "organization_id", "requester_id", "requester.id"),
        "channel": ("via.channel",),
        "priority": ("priority",),
        "tags": ("tags",),
        "url": ("url",),
    },
)  # fmt: skip

FRESHDESK: Final = Preset(
    name="freshdesk",
    signature=(
        ("ticket id", "ticket-id"),
        ("created time", "erstellungszeit", "heure de création", "hora de creación"),
        ("agent", "group", "due by time", "resolution status", "gruppe", "groupe", "grupo"),
    ),
    columns={
        "ticket_id": ("ticket id", "ticket-id"),
        "created_at": ("created time", "erstellungszeit", "heure de création",
                       "hora de creación"),
        "product_area": ("product area", "area", "component", "module", "product", "produkt",
                         "produit", "producto", "category", "group", "gruppe", "groupe", "grupo"),
        "issue_type": ("type", "typ", "tipo"),
        "subject": ("subject", "betreff", "objet", "asunto"),
        "body": ("description", "description text"),
        "customer.id": ("company name", "company", "firmenname", "nom de l'entreprise",
                        "contact id", "email", "full name", "contact name"),
        "channel": ("source", "quelle", "origen"),
        "priority": ("priority", "priorität", "priorité", "prioridad"),
        "tags": ("tags",),
        "solved_at": ("resolved time",),
        "language": ("language",),
    },
    keys=(("responder_id",), ("fr_escalated", "due_by", "fr_due_by"), ("created_at",)),
    paths={
        "ticket_id": ("id",),
        "created_at": ("created_at",),
        "product_area": ("custom_fields.product_area", "custom_fields.cf_product_area",
                         "custom_fields.cf_product", "product.name", "group.name", "product_id",
                         "group_id", "type"),
        "issue_type": ("type",),
        "subject": ("subject",),
        "body": ("description_text", "description"),
        "customer.id": ("company.name", "company_id", "requester_id"),
        "channel": ("source",),
        "priority": ("priority",),
        "tags": ("tags",),
    },
)  # fmt: skip

JIRA: Final = Preset(
    name="jira",
    signature=(
        ("issue key", "key", "vorgangsschlüssel", "schlüssel", "clé de ticket", "clé",
         "clave de incidencia", "clave"),
        ("created", "erstellt", "création", "créée", "créé", "creada", "creado"),
        ("issue type", "project key", "project", "vorgangstyp", "typ", "type de ticket",
         "tipo de incidencia", "issue id", "summary", "zusammenfassung", "résumé", "resumen"),
    ),
    columns={
        "ticket_id": ("issue key", "key", "vorgangsschlüssel", "schlüssel", "clé de ticket", "clé",
                      "clave de incidencia", "clave"),
        "created_at": ("created", "erstellt", "création", "créée", "créé", "creada", "creado"),
        "product_area": ("component/s", "components", "component", "komponente/n", "komponenten",
                         "composants", "composant/s", "componentes", "componente/s",
                         "product area", "product", "request type", "customer request type",
                         "project name", "project", "project key", "projekt", "projet",
                         "proyecto"),
        "issue_type": ("issue type", "vorgangstyp", "type de ticket", "tipo de incidencia"),
        "subject": ("summary", "zusammenfassung", "résumé", "resumen"),
        "body": ("description", "beschreibung", "descripción"),
        "customer.id": ("organizations", "organization", "organisationen", "customer", "company",
                        "reporter id", "reporter", "autor", "rapporteur", "informador"),
        "priority": ("priority", "priorität", "priorité", "prioridad"),
        "app_version": ("affects version/s", "affects versions", "affects version",
                        "betrifft version/en", "version(s) affectée(s)"),
        "tags": ("labels", "stichwörter", "étiquettes", "etiquetas"),
        "solved_at": ("resolved", "erledigt", "résolue", "resuelta"),
    },
    keys=(("fields",), ("key",)),
    paths={
        "ticket_id": ("key",),
        "created_at": ("fields.created",),
        "product_area": ("fields.components[].name", "fields.project.name", "fields.project.key"),
        "issue_type": ("fields.issuetype.name",),
        "subject": ("fields.summary",),
        "body": ("fields.description",),
        "customer.id": ("fields.organizations[0].name", "fields.reporter.accountId",
                        "fields.reporter.name"),
        "priority": ("fields.priority.name",),
        "app_version": ("fields.versions[0].name",),
        "tags": ("fields.labels",),
        "url": ("self",),
    },
)  # fmt: skip

SERVICENOW: Final = Preset(
    name="servicenow",
    signature=(
        ("number", "nummer", "numéro", "número"),
        ("opened_at", "opened", "sys_created_on", "geöffnet", "ouvert", "abierto"),
        ("short_description", "short description", "caller_id", "caller", "cmdb_ci",
         "configuration item", "assignment_group", "assignment group", "kurzbeschreibung",
         "description brève", "breve descripción"),
    ),
    columns={
        "ticket_id": ("number", "nummer", "numéro", "número"),
        "created_at": ("opened_at", "opened", "sys_created_on", "created", "geöffnet", "ouvert",
                       "abierto"),
        "product_area": ("business_service", "business service", "service", "u_product_area",
                         "product area", "cmdb_ci", "configuration item", "category", "kategorie",
                         "catégorie", "categoría", "subcategory", "assignment_group",
                         "assignment group"),
        "issue_type": ("subcategory", "unterkategorie", "sous-catégorie", "subcategoría",
                       "category"),
        "subject": ("short_description", "short description", "kurzbeschreibung",
                    "description brève", "breve descripción"),
        "body": ("description", "beschreibung"),
        "customer.id": ("company", "account", "unternehmen", "société", "empresa", "caller_id",
                        "caller", "opened_by", "opened by"),
        "channel": ("contact_type", "contact type", "channel"),
        "priority": ("priority", "priorität", "priorité", "prioridad"),
        "customer.region": ("location", "standort"),
        "solved_at": ("resolved_at", "resolved"),
    },
    keys=(("sys_id", "sys_created_on"), ("number",)),
    paths={
        "ticket_id": ("number",),
        "created_at": ("opened_at", "sys_created_on"),
        "product_area": ("business_service", "cmdb_ci", "category", "assignment_group"),
        "issue_type": ("subcategory",),
        "subject": ("short_description",),
        "body": ("description",),
        "customer.id": ("company", "caller_id", "opened_by"),
        "channel": ("contact_type",),
        "priority": ("priority",),
        "customer.region": ("location",),
    },
)  # fmt: skip

INTERCOM: Final = Preset(
    name="intercom",
    signature=(
        ("conversation id", "conversation_id", "ticket id", "konversations-id"),
        ("conversation started at", "conversation_created_at", "conversation created at",
         "started at", "ticket created at"),
    ),
    columns={
        "ticket_id": ("conversation id", "conversation_id", "ticket id"),
        "created_at": ("conversation started at", "conversation_created_at",
                       "conversation created at", "started at", "ticket created at"),
        "product_area": ("product area", "area", "topic", "topics", "conversation topic",
                         "category", "conversation tags", "conversation_tags", "conversation tag",
                         "team assigned", "currently assigned team"),
        "subject": ("subject", "conversation subject", "title", "first message", "message_body"),
        "body": ("message_body", "body", "first message"),
        "customer.id": ("company id", "company name", "company", "message_author_companies",
                        "user id", "user_id", "message_author_user_id", "user email",
                        "message_author_email", "user name"),
        "channel": ("channel", "conversation channel", "source type"),
        "priority": ("priority",),
        "tags": ("conversation tags", "conversation_tags"),
        "customer.region": ("country", "user country"),
    },
    keys=(("conversation_parts", "conversation_rating", "statistics", "conversation_message"),
          ("source", "state", "conversation_message")),
    paths={
        "ticket_id": ("id",),
        "created_at": ("created_at",),
        "product_area": ("custom_attributes.product_area", "custom_attributes.\"Product area\"",
                         "topics.topics[].name", "tags.tags[].name", "team_assignee_id"),
        "subject": ("source.subject", "title"),
        "body": ("source.body",),
        "customer.id": ("company.id", "contacts.contacts[0].external_id",
                        "contacts.contacts[0].id", "source.author.id"),
        "channel": ("source.type", "source.delivered_as"),
        "priority": ("priority",),
        "tags": ("tags.tags[].name",),
    },
)  # fmt: skip

HUBSPOT: Final = Preset(
    name="hubspot",
    signature=(
        ("ticket id", "ticket-id", "record id", "id du ticket", "id de ticket"),
        ("create date", "erstellungsdatum", "date de création", "fecha de creación"),
        ("ticket name", "ticket status", "pipeline", "ticketname", "ticket owner",
         "nom du ticket", "nombre del ticket"),
    ),
    columns={
        "ticket_id": ("ticket id", "ticket-id", "record id", "id du ticket", "id de ticket"),
        "created_at": ("create date", "erstellungsdatum", "date de création",
                       "fecha de creación"),
        "product_area": ("product area", "area", "component", "module", "product", "category",
                         "kategorie", "catégorie", "categoría", "pipeline"),
        "issue_type": ("category", "issue type", "ticket type"),
        "subject": ("ticket name", "ticketname", "nom du ticket", "nombre del ticket"),
        "body": ("ticket description", "ticketbeschreibung", "description"),
        "customer.id": ("associated company ids", "associated company", "company",
                        "zugehöriges unternehmen", "associated contact ids",
                        "associated contact"),
        "channel": ("source", "quelle"),
        "priority": ("priority", "priorität", "priorité", "prioridad"),
        "solved_at": ("close date",),
    },
    keys=(("properties",), ("id",)),
    paths={
        "ticket_id": ("id", "properties.hs_object_id"),
        "created_at": ("properties.createdate", "createdAt"),
        "product_area": ("properties.product_area", "properties.hs_ticket_category",
                         "properties.hs_pipeline"),
        "issue_type": ("properties.hs_ticket_category",),
        "subject": ("properties.subject",),
        "body": ("properties.content",),
        "customer.id": ("associations.companies.results[0].id",
                        "properties.hs_primary_company_id",
                        "associations.contacts.results[0].id"),
        "channel": ("properties.source_type",),
        "priority": ("properties.hs_ticket_priority",),
    },
)  # fmt: skip

HELPSCOUT: Final = Preset(
    name="helpscout",
    signature=(
        ("conversation number", "number", "conversation #", "#"),
        ("created at", "created", "created date", "date created"),
        ("mailbox", "inbox", "customer email", "conversation type", "customer name"),
    ),
    columns={
        "ticket_id": ("conversation number", "conversation #", "number", "#", "conversation id"),
        "created_at": ("created at", "created date", "date created", "created"),
        "product_area": ("product area", "area", "component", "module", "product", "category",
                         "tags", "tag", "mailbox", "inbox"),
        "subject": ("subject",),
        "body": ("preview", "body"),
        "customer.id": ("company", "customer id", "customer email", "email", "customer name",
                        "customer"),
        "channel": ("channel", "conversation type", "type", "source"),
        "tags": ("tags", "tag"),
    },
    keys=(("mailboxId", "primaryCustomer"), ("createdAt",)),
    paths={
        "ticket_id": ("number", "id"),
        "created_at": ("createdAt",),
        "product_area": ("customFields[?name=='Product area'].text | [0]",
                         "customFields[?name=='Product Area'].text | [0]",
                         "customFields[0].text", "tags[].tag", "mailbox.name", "mailboxId"),
        "subject": ("subject",),
        "body": ("preview",),
        "customer.id": ("primaryCustomer.organization", "primaryCustomer.id"),
        "channel": ("source.type", "type"),
        "tags": ("tags[].tag",),
    },
)  # fmt: skip

ZAMMAD: Final = Preset(
    name="zammad",
    signature=(
        ("#", "number", "ticket#", "nummer"),
        ("title", "titel", "titre", "título"),
        ("created at", "erstellt am", "créé à", "créé le", "creado el"),
        ("group", "gruppe", "groupe", "grupo", "owner", "besitzer", "state", "status"),
    ),
    columns={
        "ticket_id": ("#", "ticket#", "number", "nummer"),
        "created_at": ("created at", "erstellt am", "créé à", "créé le", "creado el"),
        "product_area": ("product area", "area", "component", "module", "product", "category",
                         "kategorie", "group", "gruppe", "groupe", "grupo"),
        "issue_type": ("type", "typ"),
        "subject": ("title", "titel", "titre", "título"),
        "customer.id": ("organization", "organisation", "organización", "customer", "kunde",
                        "client", "cliente"),
        "channel": ("create channel type", "create article type", "channel", "kanal"),
        "priority": ("priority", "priorität", "priorité", "prioridad"),
        "tags": ("tags",),
        "solved_at": ("closed at", "close at", "geschlossen am"),
    },
    keys=(("group_id", "group"), ("number",), ("title",), ("article_count", "owner_id", "owner",
          "create_article_type_id")),
    paths={
        "ticket_id": ("number",),
        "created_at": ("created_at",),
        "product_area": ("product_area", "category", "group", "group_id"),
        "issue_type": ("type",),
        "subject": ("title",),
        "customer.id": ("organization", "organization_id", "customer", "customer_id"),
        "channel": ("create_article_type", "create_article_type_id"),
        "priority": ("priority", "priority_id"),
        "tags": ("tags",),
    },
)  # fmt: skip

GITHUB: Final = Preset(
    name="github",
    signature=(
        ("number", "issue number"),
        ("created_at", "createdat", "created at"),
        ("labels", "html_url", "author_association", "repository"),
    ),
    columns={
        "ticket_id": ("number", "issue number"),
        "created_at": ("created_at", "createdat", "created at"),
        "product_area": ("product area", "area", "component", "labels", "milestone",
                         "repository"),
        "subject": ("title",),
        "body": ("body",),
        "customer.id": ("user", "user.login", "author", "author.login"),
        "tags": ("labels",),
        "url": ("html_url", "url"),
    },
    keys=(("number",), ("created_at", "createdAt"), ("labels",), ("html_url", "author", "user",
          "url", "title")),
    paths={
        "ticket_id": ("number",),
        "created_at": ("created_at", "createdAt"),
        "product_area": ("labels[].name", "milestone.title", "repository.full_name",
                         "repository_url"),
        "subject": ("title",),
        "body": ("body",),
        "customer.id": ("user.login", "author.login"),
        "tags": ("labels[].name",),
        "url": ("html_url", "url"),
    },
)  # fmt: skip

GITLAB: Final = Preset(
    name="gitlab",
    signature=(
        ("issue id", "iid"),
        ("created at (utc)", "created_at", "created at"),
        ("author username", "milestone", "confidential", "labels"),
    ),
    columns={
        "ticket_id": ("issue id", "iid"),
        "created_at": ("created at (utc)", "created_at", "created at"),
        "product_area": ("product area", "area", "component", "labels", "epic title", "milestone"),
        "subject": ("title",),
        "body": ("description",),
        "customer.id": ("author username", "author"),
        "tags": ("labels",),
        "url": ("url",),
        "solved_at": ("closed at (utc)",),
    },
    keys=(("iid",), ("web_url", "labels"), ("created_at",)),
    paths={
        "ticket_id": ("iid",),
        "created_at": ("created_at",),
        "product_area": ("labels", "milestone.title", "references.full"),
        "issue_type": ("issue_type",),
        "subject": ("title",),
        "body": ("description",),
        "customer.id": ("author.username",),
        "tags": ("labels",),
        "url": ("web_url",),
    },
)  # fmt: skip
