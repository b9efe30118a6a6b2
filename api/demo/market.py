"""The demo market's people, products and members: the data that the seed and the demo set up.

Companies are invented.  Passwords are published: a demo market holds nothing of value.
"""

from typing import NamedTuple

from api.founding import Founder
from engine.codes import ParticipantClass, Role


class Person(NamedTuple):
    """Someone who logs in."""

    login: str
    display_name: str
    password: str


class Member(NamedTuple):
    """A participant with its trader, its money and its units by series."""

    participant_id: str
    name: str
    participant_class: ParticipantClass
    annual_allowance: int
    trader: Person
    cash: str
    units: dict[str, int]


class Product(NamedTuple):
    """A series and its instrument of the same id."""

    instrument_id: str
    product: str
    vintage: int
    reference_price: str


OPERATOR_1 = Person("op.zhang", "Zhang Wei 张伟", "green-maple-river-41")
OPERATOR_2 = Person("op.li", "Li Na 李娜", "silver-crane-lake-52")
ECOLOGY_1 = Person("eco.wang", "Wang Fang 王芳", "quiet-pine-hill-63")
ECOLOGY_2 = Person("eco.zhao", "Zhao Lei 赵磊", "bright-lotus-moon-74")
REGISTRY = Person("reg.chen", "Chen Jing 陈静", "north-willow-gate-85")
AUDITOR = Person("aud.liu", "Liu Yang 刘洋", "amber-plum-stone-96")

STAFF = (
    (OPERATOR_1, Role.OPERATOR),
    (OPERATOR_2, Role.OPERATOR),
    (ECOLOGY_1, Role.ECOLOGY),
    (ECOLOGY_2, Role.ECOLOGY),
    (REGISTRY, Role.REGISTRY),
    (AUDITOR, Role.AUDITOR),
)
FOUNDERS = [Founder(p.login, p.display_name, role, p.password) for p, role in STAFF]

PRODUCTS = (
    Product("BEA-2024", "BEA", 2024, "88.00"),
    Product("BEA-2025", "BEA", 2025, "92.50"),
    Product("PCER", "PCER", 2024, "61.00"),
)

MEMBERS = (
    Member(
        "JB-HEAT",
        "Jingbei Heating 京北热力",
        ParticipantClass.EMITTER,
        320_000,
        Person("heat.sun", "Sun Li 孙丽", "copper-finch-dawn-17"),
        "30000000.00",
        {"BEA-2024": 120_000, "BEA-2025": 60_000},
    ),
    Member(
        "YS-CEMENT",
        "Yanshan Cement 燕山水泥",
        ParticipantClass.EMITTER,
        210_000,
        Person("cement.zhou", "Zhou Min 周敏", "velvet-heron-dusk-28"),
        "45000000.00",
        {"BEA-2024": 40_000, "PCER": 20_000},
    ),
    Member(
        "CITY-BUS",
        "Jingcheng Bus 京城公交",
        ParticipantClass.REPORTING_UNIT,
        0,
        Person("bus.wu", "Wu Qiang 吴强", "marble-otter-noon-39"),
        "20000000.00",
        {"BEA-2024": 15_000, "PCER": 8_000},
    ),
    Member(
        "GREEN-FUND",
        "Qinglan Carbon Fund 青蓝碳基金",
        ParticipantClass.VOLUNTARY_INSTITUTION,
        0,
        Person("fund.xu", "Xu Jie 徐杰", "indigo-swan-rain-40"),
        "80000000.00",
        {"BEA-2025": 30_000, "PCER": 40_000},
    ),
)
