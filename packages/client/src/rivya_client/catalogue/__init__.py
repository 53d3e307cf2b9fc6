"""The models of the service: what each takes and costs, known before anything is bought.

    from rivya_client import catalogue

    lamp = catalogue.shipped().models["z-image"]
    print(catalogue.price(lamp, {"aspect_ratio": "9:16"}))

`shipped` needs no network. `client.models.catalogue()` is the list of this moment.
"""

from rivya_client.catalogue.catalogue import (
    Catalogue as Catalogue,
    Model as Model,
    Param as Param,
    Voice as Voice,
)
from rivya_client.catalogue.prices import Price as Price, price as price
from rivya_client.catalogue.snapshot import shipped as shipped
