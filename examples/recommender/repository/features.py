"""Articles, what users have to do with them, and what a model of who buys what is given."""

from hotrow import (
    Entity,
    FeatureService,
    FeatureView,
    Field,
    Float64,
    Int64,
    ParquetSource,
    PushSource,
    String,
    encoders,
)

article = Entity("article", join_keys={"article_id": Int64})
user = Entity("user", join_keys={"user_id": Int64})

articles = FeatureView(
    "articles",
    entities=[article],
    schema=[Field("title", String)],
    source=ParquetSource("data/articles.parquet", event_time="at"),
)

prices = FeatureView(
    "prices",
    entities=[article],
    schema=[Field("price", Float64, unit="USD")],
    source=ParquetSource("data/prices.parquet", event_time="at"),
)

article_user = FeatureView(
    "article_user",
    entities=[article, user],
    schema=[
        Field("article_type", String, description="Here too, so that one row tells all of a pair"),
        Field("previous_purchases", Int64, unit="count", description="Of articles of this type, by this user"),
        Field("affinity", Float64, unit="1", description="How much the user likes this type; less once it is bought"),
    ],
    source=ParquetSource("data/article_user.parquet", event_time="at"),
    description="An article and a user: a row a pair",
)

article_user_push = PushSource("article_user_push", view=article_user)

title_words = encoders.word_ngrams("title_words", articles["title"], n=(1, 2), terms=encoders.Frequent(min_rows=3))
type_hot = encoders.one_hot("type_hot", article_user["article_type"])

ranking = FeatureService(
    "ranking",
    features=[prices, article_user[["previous_purchases", "affinity"]], title_words, type_hot],
    description="What the model is given, in this order",
)
