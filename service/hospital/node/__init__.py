"""A node in a DICOM network: receives radiographs, screens them, and sends results to the PACS.

C-STORE or DICOMweb in, C-STORE or STOW-RS out, and a durable queue between them.
"""
