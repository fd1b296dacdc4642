"""Vital signs and findings of horses with colic, as a clinic took them when a horse came in.

Attributes and codes are described in source/horse-colic.names.
"""

from hotrow import (
    Bool,
    Entity,
    FeatureService,
    FeatureView,
    Field,
    Float64,
    Int32,
    Int64,
    ParquetSource,
    PushSource,
    String,
)

horse = Entity(
    "horse",
    join_keys={"hospital_number": Int64},
    description="A horse, by the case number that the hospital gave it",
)

horse_vitals = FeatureView(
    "horse_vitals",
    entities=[horse],
    ttl=None,  # a case does not expire
    schema=[
        Field("rectal_temp", Float64, unit="degC", description="37.8 is normal"),
        Field("pulse", Float64, unit="1/min", description="Heart rate; 30 to 40 is normal for adults"),
        Field("respiratory_rate", Float64, unit="1/min", description="8 to 10 is normal; fluctuates"),
        Field("packed_cell_volume", Float64, unit="%", description="Red cells by volume; 30 to 50 is normal"),
        Field("total_protein", Float64, unit="g/dL", description="6 to 7.5 is normal; higher when dehydrated"),
        Field("nasogastric_reflux_ph", Float64, default=None, description="0 to 14; 3 to 4 is normal"),
        Field("abdomen_total_protein", Float64, unit="g/dL", default=None, description="In fluid of the abdomen"),
        Field("temp_of_extremities", Int32, default=None, description="1 normal, 2 warm, 3 cool, 4 cold"),
        Field("peripheral_pulse", Int32, default=None, description="1 normal, 2 increased, 3 reduced, 4 absent"),
        Field("capillary_refill", Int32, default=None, description="1 below 3 seconds, 2 longer"),
        Field("peristalsis", Int32, default=None, description="1 hypermotile, 2 normal, 3 hypomotile, 4 absent"),
        Field("abdominal_distension", Int32, default=None, description="1 none, 2 slight, 3 moderate, 4 severe"),
        Field("nasogastric_tube", Int32, default=None, description="Gas: 1 none, 2 slight, 3 significant"),
        Field("nasogastric_reflux", Int32, default=None, description="1 none, 2 over a litre, 3 under a litre"),
        Field("rectal_exam_feces", Int32, default=None, description="1 normal, 2 increased, 3 decreased, 4 absent"),
        Field("abdomen", Int32, default=None, description="1 normal, 2 other, 3 firm, 4 and 5 distended intestine"),
        Field("abdomen_appearance", Int32, default=None, description="1 clear, 2 cloudy, 3 serosanguinous"),
        Field("mucous_membranes", String, default=None, description="Their colour"),
        Field("pain", String, default=None, description="Not an ordered scale"),
        Field("age", String, default=None, description="adult, or young (under six months)"),
        Field("surgery", Bool, default=None, description="Whether the horse was operated on"),
        Field("outcome", String, default=None, description="lived, died or euthanized"),
        Field("surgical_lesion", Bool, default=None, description="Whether the problem was surgical, in retrospect"),
        Field("lesion_1", String, default=None, description="Site, type, subtype and code of the lesion"),
        Field("lesion_2", String, default=None, description="A second lesion"),
        Field("lesion_3", String, default=None, description="A third lesion"),
        Field("pathology_data", Bool, default=None, description="Whether there is pathology data for the case"),
    ],
    source=ParquetSource("data/horse_vitals.parquet", event_time="event_timestamp"),
    tags={"domain": "veterinary"},
    owner="clinic@example.com",
    description="Vital signs and findings of a horse with colic, one row a treatment",
)

horse_vitals_push = PushSource("horse_vitals_push", view=horse_vitals)

horse_triage = FeatureService(
    "horse_triage",
    features=[
        horse_vitals[["rectal_temp", "pulse", "respiratory_rate", "packed_cell_volume", "total_protein", "pain"]]
    ],
    description="What decides whether a horse needs the surgeon now",
)
