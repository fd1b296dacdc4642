"""What the pipeline starts from: the clinic's raw table, read by a query.

What the pipeline itself makes of it (imputers, the imputed features, the model's service) it defines on a branch.
"""

from hotrow import Entity, FeatureView, Field, Float64, Int32, Int64, SqliteSource

horse = Entity(
    "horse",
    join_keys={"hospital_number": Int64},
    description="A horse, by the case number that the hospital gave it",
)

treatments = FeatureView(
    "treatments",
    entities=[horse],
    schema=[
        Field("rectal_temp", Float64, unit="degC", description="37.8 is normal"),
        Field("pulse", Float64, unit="1/min", description="30 to 40 is normal for adults"),
        Field("respiratory_rate", Float64, unit="1/min", description="8 to 10 is normal"),
        Field("packed_cell_volume", Float64, unit="%", description="30 to 50 is normal"),
        Field("total_protein", Float64, unit="g/dL", description="6 to 7.5 is normal"),
        Field("extremities", Int32, description="Temperature: 1 normal, 2 warm, 3 cool, 4 cold"),
        Field("pain", Int32, description="1 none to 5 continuous and severe"),
        Field("peristalsis", Int32, description="1 hypermotile, 2 normal, 3 hypomotile, 4 absent"),
        Field("distension", Int32, description="Of the abdomen: 1 none, 2 slight, 3 moderate, 4 severe"),
    ],
    source=SqliteSource(
        "data/clinic.db",
        query="""
            SELECT hospital_number, admitted_at,
                rectal_temp, pulse, respiratory_rate, packed_cell_volume, total_protein,
                temp_of_extremities AS extremities, pain, peristalsis, abdominal_distension AS distension
            FROM treatments ORDER BY admitted_at
        """,
        event_time="admitted_at",
    ),
    description="What was found when a horse came in, with nulls where nobody looked; one row a treatment",
)
